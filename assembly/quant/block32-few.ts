/**
 * GEMM for fewer than eight tokens where there are 16 vector registers (x86), of formats whose weights lie in a nibble
 * plane alone: two tokens at a time, straight from packed weights. Unpacking them into scratch would cost as much as two
 * tokens do.
 *
 *   registers     4 sums (2 row vectors x 2 tokens), 4 weights, 4 activations, the mask of nibbles
 */
import { dotStep, dotSum, madd } from '../isa';
import { X8_BYTES, X8_SCALE, X8_SUM } from './activations';
import { Block32, start } from './block32';
import { STRETCH } from './few';

/** 8 rows x `count` (1 or 2, a constant) tokens over `blocks` blocks of a row group. */
// @ts-ignore: decorator
@inline function tile<F extends Block32>(
  f: F, count: i32, w: usize, x0: usize, xStride: usize, y: usize, yStride: usize, blocks: i32,
): void {
  let x1 = x0 + xStride;
  const y1 = y + yStride;
  let f00 = v128.load(y), f01 = v128.load(y, 16), f10 = f00, f11 = f01;
  if (count > 1) { f10 = v128.load(y1); f11 = v128.load(y1, 16); }
  for (const end = x0 + <usize>blocks * X8_BYTES; x0 < end;) {
    let a00 = start(f, x0), a01 = a00, a10 = a00, a11 = a00;
    if (count > 1) { a10 = start(f, x1); a11 = a10; }
    const stepsEnd = x0 + 16;
    let steps = w;
    do {
      let w0 = f.weights(steps, 0, 0), w1 = f.weights(steps, 1, 0), s = v128.load32_splat(x0);
      a00 = dotStep(a00, s, w0); a01 = dotStep(a01, s, w1);
      if (count > 1) {
        s = v128.load32_splat(x1);
        a10 = dotStep(a10, s, w0); a11 = dotStep(a11, s, w1);
      }
      w0 = f.weights(steps, 0, 4); w1 = f.weights(steps, 1, 4); s = v128.load32_splat(x0, 16);
      a00 = dotStep(a00, s, w0); a01 = dotStep(a01, s, w1);
      if (count > 1) {
        s = v128.load32_splat(x1, 16);
        a10 = dotStep(a10, s, w0); a11 = dotStep(a11, s, w1);
      }
      steps += 32; x0 += 4;
      if (count > 1) x1 += 4;
    } while (x0 < stepsEnd);
    // x is four steps into its block.
    const d0 = f.whole(f.scale(w, 0)), d1 = f.whole(f.scale(w, 1));
    let s = v128.load32_splat(x0, X8_SCALE - 16);
    f00 = madd(f32x4.convert_i32x4_s(dotSum(a00)), f32x4.mul(d0, s), f00);
    f01 = madd(f32x4.convert_i32x4_s(dotSum(a01)), f32x4.mul(d1, s), f01);
    if (count > 1) {
      s = v128.load32_splat(x1, X8_SCALE - 16);
      f10 = madd(f32x4.convert_i32x4_s(dotSum(a10)), f32x4.mul(d0, s), f10);
      f11 = madd(f32x4.convert_i32x4_s(dotSum(a11)), f32x4.mul(d1, s), f11);
    }
    if (f.hasMinimum) {
      const m0 = f.whole(f.minimum(w, 0)), m1 = f.whole(f.minimum(w, 1));
      s = v128.load32_splat(x0, X8_SUM - 16);
      f00 = madd(m0, s, f00); f01 = madd(m1, s, f01);
      if (count > 1) {
        s = v128.load32_splat(x1, X8_SUM - 16);
        f10 = madd(m0, s, f10); f11 = madd(m1, s, f11);
      }
    }
    x0 += X8_BYTES - 16; x1 += X8_BYTES - 16;
    w += f.bytes;
  }
  v128.store(y, f00); v128.store(y, f01, 16);
  if (count > 1) { v128.store(y1, f10); v128.store(y1, f11, 16); }
}

/** Y += X W^T for one row group: see gemmBlock32. */
// @ts-ignore: decorator
@inline export function gemmFew<F extends Block32>(
  f: F, w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32,
): void {
  for (; blocks > 0; blocks -= STRETCH) {
    const count = min(STRETCH, blocks);
    let xp = x, yp = y, t = tokens;
    for (; t >= 2; t -= 2) {
      tile(f, 2, w, xp, xStride, yp, yStride, count);
      xp += xStride << 1; yp += yStride << 1;
    }
    if (t > 0) tile(f, 1, w, xp, xStride, yp, yStride, count);
    w += <usize>STRETCH * f.bytes;
    x += <usize>STRETCH * X8_BYTES;
  }
}
