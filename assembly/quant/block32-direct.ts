/**
 * GEMM of the formats of block32.ts where there are 32 vector registers (ARM), straight from packed weights: a block's
 * 8 rows x 32 columns stay in 16 registers while eight tokens pass by.
 *
 *   registers     16 weights (2 row vectors x 8 steps), 8 activations (a token's steps, each repeated for four rows)
 *   sums          2 row vectors x 8 tokens of f32: V8 keeps most of them on its stack, an instruction for each way
 *
 * Nothing is unpacked into scratch: on ARM, V8 checks the bounds of each 16-byte store, five instructions for one.
 */
import { dotBias, madd } from '../isa';
import { Block32 } from './block32';
import { X8_BYTES } from './activations';
import { eightSteps, lane } from './steps';

/** What the dots of a block start from; `numbers`: the token's scale, sum and sums (activations.ts). */
// @ts-ignore: decorator
@inline function start<F extends Block32>(f: F, numbers: v128): v128 {
  return f.offset ? dotBias(lane(numbers, 2), f.offset) : i32x4.splat(0);
}

/** y + what a block adds for four rows and one token. */
// @ts-ignore: decorator
@inline function addBlock<F extends Block32>(f: F, y: v128, dots: v128, scale: v128, minimum: v128, numbers: v128): v128 {
  y = madd(f32x4.convert_i32x4_s(dots), f32x4.mul(scale, lane(numbers, 0)), y);
  return f.hasMinimum ? madd(minimum, lane(numbers, 1), y) : y;
}

/** 8 rows x `count` (1 or 8, a constant) tokens over all blocks of a row group. */
// @ts-ignore: decorator
@inline function tile<F extends Block32>(
  f: F, count: i32, w: usize, x: usize, xStride: usize, y: usize, yStride: usize, blocks: i32,
): void {
  const y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride, y4 = y3 + yStride, y5 = y4 + yStride, y6 = y5 + yStride, y7 = y6 + yStride;
  let f00 = v128.load(y), f01 = v128.load(y, 16);
  let f10 = f00, f11 = f00, f20 = f00, f21 = f00, f30 = f00, f31 = f00, f40 = f00, f41 = f00, f50 = f00, f51 = f00, f60 = f00, f61 = f00, f70 = f00, f71 = f00;
  if (count > 1) {
    f10 = v128.load(y1); f11 = v128.load(y1, 16); f20 = v128.load(y2); f21 = v128.load(y2, 16); f30 = v128.load(y3); f31 = v128.load(y3, 16);
    f40 = v128.load(y4); f41 = v128.load(y4, 16); f50 = v128.load(y5); f51 = v128.load(y5, 16); f60 = v128.load(y6); f61 = v128.load(y6, 16);
    f70 = v128.load(y7); f71 = v128.load(y7, 16);
  }
  for (const end = x + <usize>blocks * X8_BYTES; x < end; x += X8_BYTES) {
    const w00 = f.weights(w, 0, 0), w01 = f.weights(w, 0, 1), w02 = f.weights(w, 0, 2), w03 = f.weights(w, 0, 3);
    const w04 = f.weights(w, 0, 4), w05 = f.weights(w, 0, 5), w06 = f.weights(w, 0, 6), w07 = f.weights(w, 0, 7);
    const w10 = f.weights(w, 1, 0), w11 = f.weights(w, 1, 1), w12 = f.weights(w, 1, 2), w13 = f.weights(w, 1, 3);
    const w14 = f.weights(w, 1, 4), w15 = f.weights(w, 1, 5), w16 = f.weights(w, 1, 6), w17 = f.weights(w, 1, 7);
    const d0 = f.whole(f.scale(w, 0)), d1 = f.whole(f.scale(w, 1));
    const m0 = f.hasMinimum ? f.whole(f.minimum(w, 0)) : d0, m1 = f.hasMinimum ? f.whole(f.minimum(w, 1)) : d1;
    let p = x;
    let low = v128.load(p), high = v128.load(p, 16), numbers = v128.load(p, 32);
    let s0 = lane(low, 0), s1 = lane(low, 1), s2 = lane(low, 2), s3 = lane(low, 3);
    let s4 = lane(high, 0), s5 = lane(high, 1), s6 = lane(high, 2), s7 = lane(high, 3);
    f00 = addBlock(f, f00, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07), d0, m0, numbers);
    f01 = addBlock(f, f01, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17), d1, m1, numbers);
    if (count > 1) {
      p += xStride;
      low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32);
      s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
      s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
      f10 = addBlock(f, f10, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07), d0, m0, numbers);
      f11 = addBlock(f, f11, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17), d1, m1, numbers);
      p += xStride;
      low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32);
      s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
      s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
      f20 = addBlock(f, f20, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07), d0, m0, numbers);
      f21 = addBlock(f, f21, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17), d1, m1, numbers);
      p += xStride;
      low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32);
      s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
      s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
      f30 = addBlock(f, f30, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07), d0, m0, numbers);
      f31 = addBlock(f, f31, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17), d1, m1, numbers);
      p += xStride;
      low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32);
      s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
      s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
      f40 = addBlock(f, f40, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07), d0, m0, numbers);
      f41 = addBlock(f, f41, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17), d1, m1, numbers);
      p += xStride;
      low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32);
      s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
      s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
      f50 = addBlock(f, f50, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07), d0, m0, numbers);
      f51 = addBlock(f, f51, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17), d1, m1, numbers);
      p += xStride;
      low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32);
      s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
      s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
      f60 = addBlock(f, f60, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07), d0, m0, numbers);
      f61 = addBlock(f, f61, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17), d1, m1, numbers);
      p += xStride;
      low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32);
      s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
      s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
      f70 = addBlock(f, f70, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07), d0, m0, numbers);
      f71 = addBlock(f, f71, eightSteps(start(f, numbers), s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17), d1, m1, numbers);
    }
    w += f.bytes;
  }
  v128.store(y, f00); v128.store(y, f01, 16);
  if (count > 1) {
    v128.store(y1, f10); v128.store(y1, f11, 16); v128.store(y2, f20); v128.store(y2, f21, 16); v128.store(y3, f30); v128.store(y3, f31, 16);
    v128.store(y4, f40); v128.store(y4, f41, 16); v128.store(y5, f50); v128.store(y5, f51, 16); v128.store(y6, f60); v128.store(y6, f61, 16);
    v128.store(y7, f70); v128.store(y7, f71, 16);
  }
}

/** Y += X W^T for one row group: see gemmBlock32. */
// @ts-ignore: decorator
@inline export function gemmDirect<F extends Block32>(
  f: F, w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32,
): void {
  for (; tokens >= 8; tokens -= 8) {
    tile(f, 8, w, x, xStride, y, yStride, blocks);
    x += xStride << 3; y += yStride << 3;
  }
  for (; tokens > 0; tokens--) {
    tile(f, 1, w, x, xStride, y, yStride, blocks);
    x += xStride; y += yStride;
  }
}
