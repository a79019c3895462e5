/**
 * GEMM of Q4_K for fewer than eight tokens where there are 16 vector registers (x86): as block32-few.ts, two tokens at a
 * time, a super-block at a time. Same arithmetic, in the same order, as the GEMV in superblock.ts.
 */
import { dotStep, dotSumScaled, f16x4, madd, twice } from '../isa';
import { X8_BYTES, X8_SCALE, X8_SUM } from './activations';
import { SuperBlock, headerBytes, minimum, superBlockBytes } from './superblock';

/** y += s * d - m * dmin, of 8 rows; the factors as f32x4. */
// @ts-ignore: decorator
@inline function addSuper(y: usize, d0: v128, d1: v128, l0: v128, l1: v128, s0: v128, s1: v128, m0: v128, m1: v128): void {
  const y0 = madd(m0, l0, madd(s0, d0, v128.load(y))), y1 = madd(m1, l1, madd(s1, d1, v128.load(y, 16)));
  v128.store(y, y0); v128.store(y, y1, 16);
}

/** 8 rows x `count` (1 or 2, a constant) tokens over one super-block at h. */
// @ts-ignore: decorator
@inline function tile<F extends SuperBlock>(f: F, count: i32, h: usize, x0: usize, xStride: usize, y: usize, yStride: usize): void {
  let x1 = x0 + xStride, w = h + headerBytes(f);
  let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, m00 = s00, m01 = s00, m10 = s00, m11 = s00;
  for (const end = x0 + 8 * X8_BYTES; x0 < end;) {
    let a00 = i32x4.splat(0), a01 = a00, a10 = a00, a11 = a00;
    const stepsEnd = x0 + 16;
    let steps = w;
    do {
      let w0 = f.weights(steps, 0, 0), w1 = f.weights(steps, 1, 0), x = v128.load32_splat(x0);
      a00 = dotStep(a00, x, w0); a01 = dotStep(a01, x, w1);
      if (count > 1) {
        x = v128.load32_splat(x1);
        a10 = dotStep(a10, x, w0); a11 = dotStep(a11, x, w1);
      }
      w0 = f.weights(steps, 0, 4); w1 = f.weights(steps, 1, 4); x = v128.load32_splat(x0, 16);
      a00 = dotStep(a00, x, w0); a01 = dotStep(a01, x, w1);
      if (count > 1) {
        x = v128.load32_splat(x1, 16);
        a10 = dotStep(a10, x, w0); a11 = dotStep(a11, x, w1);
      }
      steps += 32; x0 += 4;
      if (count > 1) x1 += 4;
    } while (x0 < stepsEnd);
    // x is four steps into its block.
    const scales = f.scales(w, 1), c0 = twice(scales, 0), c1 = twice(scales, 1);
    const n0 = minimum(f, w, 0, 1), n1 = minimum(f, w, 1, 1);
    let x = v128.load32_splat(x0, X8_SCALE - 16), sum = v128.load32_splat(x0, X8_SUM - 16);
    s00 = madd(f32x4.convert_i32x4_s(dotSumScaled(a00, c0)), x, s00); s01 = madd(f32x4.convert_i32x4_s(dotSumScaled(a01, c1)), x, s01);
    m00 = madd(n0, sum, m00); m01 = madd(n1, sum, m01);
    if (count > 1) {
      x = v128.load32_splat(x1, X8_SCALE - 16); sum = v128.load32_splat(x1, X8_SUM - 16);
      s10 = madd(f32x4.convert_i32x4_s(dotSumScaled(a10, c0)), x, s10); s11 = madd(f32x4.convert_i32x4_s(dotSumScaled(a11, c1)), x, s11);
      m10 = madd(n0, sum, m10); m11 = madd(n1, sum, m11);
    }
    x0 += X8_BYTES - 16; x1 += X8_BYTES - 16;
    w += f.blockBytes;
  }
  const d0 = f16x4(h), d1 = f16x4(h + 8), l0 = f32x4.neg(f16x4(h + 16)), l1 = f32x4.neg(f16x4(h + 24));
  addSuper(y, d0, d1, l0, l1, s00, s01, m00, m01);
  if (count > 1) addSuper(y + yStride, d0, d1, l0, l1, s10, s11, m10, m11);
}

/** Y += X W^T for one row group: see gemmBlock32. */
// @ts-ignore: decorator
@inline export function gemmSuperFew<F extends SuperBlock>(
  f: F, w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32,
): void {
  for (; blocks > 0; blocks -= 8) {
    let xp = x, yp = y, t = tokens;
    for (; t >= 2; t -= 2) {
      tile(f, 2, w, xp, xStride, yp, yStride);
      xp += xStride << 1; yp += yStride << 1;
    }
    if (t > 0) tile(f, 1, w, xp, xStride, yp, yStride);
    w += superBlockBytes(f);
    x += 8 * X8_BYTES;
  }
}
