/**
 * GEMM of the K formats where there are 32 vector registers (ARM), straight from packed weights: see block32-direct.ts.
 * Same arithmetic, in the same order, as the GEMV in superblock.ts.
 */
import { dotBias, f16Bits, madd, scaleUp, sumsLess } from '../isa';
import { SuperBlock, activationSum, four, halved, headerBytes, minimum, superBlockBytes } from './superblock';
import { X8_BYTES } from './activations';
import { eightSteps, fourSteps, lane } from './steps';

/** What the dots of half a block, or (half = 1, not halved) of all of it start from: see `start` in superblock.ts. */
// @ts-ignore: decorator
@inline function start<F extends SuperBlock>(f: F, numbers: v128, half: i32): v128 {
  if (!f.offset) return i32x4.splat(0);
  const first = lane(numbers, 3);
  if (halved(f) && half) return dotBias(sumsLess(lane(numbers, 2), first), f.offset);
  return dotBias(halved(f) ? first : lane(numbers, 2), f.offset);
}

/** s + what a block adds for four rows and one token; c and e: the scales of its halves, the same where not halved. */
// @ts-ignore: decorator
@inline function addBlock<F extends SuperBlock>(
  f: F, s: v128, numbers: v128, xScale: v128, c: v128, e: v128,
  s0: v128, s1: v128, s2: v128, s3: v128, s4: v128, s5: v128, s6: v128, s7: v128,
  w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128,
): v128 {
  if (halved(f)) {
    const first = fourSteps(start(f, numbers, 0), s0, s1, s2, s3, w0, w1, w2, w3);
    const second = fourSteps(start(f, numbers, 1), s4, s5, s6, s7, w4, w5, w6, w7);
    return madd(f32x4.convert_i32x4_s(i32x4.add(i32x4.mul(first, c), i32x4.mul(second, e))), xScale, s);
  }
  const dots = eightSteps(start(f, numbers, 1), s0, s1, s2, s3, s4, s5, s6, s7, w0, w1, w2, w3, w4, w5, w6, w7);
  return madd(f32x4.convert_i32x4_s(i32x4.mul(dots, c)), xScale, s);
}

/** 8 rows x `count` (1 or 8, a constant) tokens over all super-blocks of a row group. */
// @ts-ignore: decorator
@inline function tile<F extends SuperBlock>(
  f: F, count: i32, h: usize, x: usize, xStride: usize, y: usize, yStride: usize, blocks: i32,
): void {
  const y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride, y4 = y3 + yStride, y5 = y4 + yStride, y6 = y5 + yStride, y7 = y6 + yStride;
  let f00 = v128.load(y), f01 = v128.load(y, 16);
  let f10 = f00, f11 = f00, f20 = f00, f21 = f00, f30 = f00, f31 = f00, f40 = f00, f41 = f00, f50 = f00, f51 = f00, f60 = f00, f61 = f00, f70 = f00, f71 = f00;
  if (count > 1) {
    f10 = v128.load(y1); f11 = v128.load(y1, 16); f20 = v128.load(y2); f21 = v128.load(y2, 16); f30 = v128.load(y3); f31 = v128.load(y3, 16);
    f40 = v128.load(y4); f41 = v128.load(y4, 16); f50 = v128.load(y5); f51 = v128.load(y5, 16); f60 = v128.load(y6); f61 = v128.load(y6, 16);
    f70 = v128.load(y7); f71 = v128.load(y7, 16);
  }
  for (const end = x + <usize>blocks * X8_BYTES; x < end; x += 8 * X8_BYTES) {
    const superEnd = x + 8 * X8_BYTES, zero = f32x4.splat(0);
    let a00 = zero, a01 = zero, a10 = zero, a11 = zero, a20 = zero, a21 = zero, a30 = zero, a31 = zero, a40 = zero, a41 = zero, a50 = zero, a51 = zero, a60 = zero, a61 = zero, a70 = zero, a71 = zero;
    let m00 = zero, m01 = zero, m10 = zero, m11 = zero, m20 = zero, m21 = zero, m30 = zero, m31 = zero, m40 = zero, m41 = zero, m50 = zero, m51 = zero, m60 = zero, m61 = zero, m70 = zero, m71 = zero;
    let w = h + headerBytes(f);
    if (f.hasMinimum) {
      for (let p = x; p < superEnd; p += X8_BYTES) {
        for (let half = f.sixteen ? 0 : 1; half < 2; half++) {
          const least0 = minimum(f, w, 0, half), least1 = minimum(f, w, 1, half);
          let q = p, sum = activationSum(f, q, half);
          m00 = madd(least0, sum, m00); m01 = madd(least1, sum, m01);
          if (count > 1) {
            q += xStride; sum = activationSum(f, q, half); m10 = madd(least0, sum, m10); m11 = madd(least1, sum, m11);
            q += xStride; sum = activationSum(f, q, half); m20 = madd(least0, sum, m20); m21 = madd(least1, sum, m21);
            q += xStride; sum = activationSum(f, q, half); m30 = madd(least0, sum, m30); m31 = madd(least1, sum, m31);
            q += xStride; sum = activationSum(f, q, half); m40 = madd(least0, sum, m40); m41 = madd(least1, sum, m41);
            q += xStride; sum = activationSum(f, q, half); m50 = madd(least0, sum, m50); m51 = madd(least1, sum, m51);
            q += xStride; sum = activationSum(f, q, half); m60 = madd(least0, sum, m60); m61 = madd(least1, sum, m61);
            q += xStride; sum = activationSum(f, q, half); m70 = madd(least0, sum, m70); m71 = madd(least1, sum, m71);
          }
        }
        w += f.blockBytes;
      }
      w = h + headerBytes(f);
    }
    for (let b = x; b < superEnd; b += X8_BYTES) {
      const w00 = f.weights(w, 0, 0), w01 = f.weights(w, 0, 1), w02 = f.weights(w, 0, 2), w03 = f.weights(w, 0, 3);
      const w04 = f.weights(w, 0, 4), w05 = f.weights(w, 0, 5), w06 = f.weights(w, 0, 6), w07 = f.weights(w, 0, 7);
      const w10 = f.weights(w, 1, 0), w11 = f.weights(w, 1, 1), w12 = f.weights(w, 1, 2), w13 = f.weights(w, 1, 3);
      const w14 = f.weights(w, 1, 4), w15 = f.weights(w, 1, 5), w16 = f.weights(w, 1, 6), w17 = f.weights(w, 1, 7);
      const c = f.scales(w, 0), c0 = four(c, 0), c1 = four(c, 1);
      const e = halved(f) ? f.scales(w, 1) : c, e0 = halved(f) ? four(e, 0) : c0, e1 = halved(f) ? four(e, 1) : c1;
      let p = b;
      let low = v128.load(p), high = v128.load(p, 16), numbers = v128.load(p, 32), xScale = lane(numbers, 0);
      let s0 = lane(low, 0), s1 = lane(low, 1), s2 = lane(low, 2), s3 = lane(low, 3);
      let s4 = lane(high, 0), s5 = lane(high, 1), s6 = lane(high, 2), s7 = lane(high, 3);
      a00 = addBlock(f, a00, numbers, xScale, c0, e0, s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07);
      a01 = addBlock(f, a01, numbers, xScale, c1, e1, s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17);
      if (count > 1) {
        p += xStride;
        low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32); xScale = lane(numbers, 0);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        a10 = addBlock(f, a10, numbers, xScale, c0, e0, s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07);
        a11 = addBlock(f, a11, numbers, xScale, c1, e1, s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17);
        p += xStride;
        low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32); xScale = lane(numbers, 0);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        a20 = addBlock(f, a20, numbers, xScale, c0, e0, s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07);
        a21 = addBlock(f, a21, numbers, xScale, c1, e1, s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17);
        p += xStride;
        low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32); xScale = lane(numbers, 0);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        a30 = addBlock(f, a30, numbers, xScale, c0, e0, s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07);
        a31 = addBlock(f, a31, numbers, xScale, c1, e1, s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17);
        p += xStride;
        low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32); xScale = lane(numbers, 0);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        a40 = addBlock(f, a40, numbers, xScale, c0, e0, s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07);
        a41 = addBlock(f, a41, numbers, xScale, c1, e1, s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17);
        p += xStride;
        low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32); xScale = lane(numbers, 0);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        a50 = addBlock(f, a50, numbers, xScale, c0, e0, s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07);
        a51 = addBlock(f, a51, numbers, xScale, c1, e1, s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17);
        p += xStride;
        low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32); xScale = lane(numbers, 0);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        a60 = addBlock(f, a60, numbers, xScale, c0, e0, s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07);
        a61 = addBlock(f, a61, numbers, xScale, c1, e1, s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17);
        p += xStride;
        low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32); xScale = lane(numbers, 0);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        a70 = addBlock(f, a70, numbers, xScale, c0, e0, s0, s1, s2, s3, s4, s5, s6, s7, w00, w01, w02, w03, w04, w05, w06, w07);
        a71 = addBlock(f, a71, numbers, xScale, c1, e1, s0, s1, s2, s3, s4, s5, s6, s7, w10, w11, w12, w13, w14, w15, w16, w17);
      }
      w += f.blockBytes;
    }
    const scale = v128.load(h), d0 = scaleUp(f16Bits(scale, 0)), d1 = scaleUp(f16Bits(scale, 1));
    f00 = madd(a00, d0, f00); f01 = madd(a01, d1, f01);
    if (count > 1) {
      f10 = madd(a10, d0, f10); f11 = madd(a11, d1, f11);
      f20 = madd(a20, d0, f20); f21 = madd(a21, d1, f21);
      f30 = madd(a30, d0, f30); f31 = madd(a31, d1, f31);
      f40 = madd(a40, d0, f40); f41 = madd(a41, d1, f41);
      f50 = madd(a50, d0, f50); f51 = madd(a51, d1, f51);
      f60 = madd(a60, d0, f60); f61 = madd(a61, d1, f61);
      f70 = madd(a70, d0, f70); f71 = madd(a71, d1, f71);
    }
    if (f.hasMinimum) {
      const least = v128.load(h, 16), n0 = f32x4.neg(scaleUp(f16Bits(least, 0))), n1 = f32x4.neg(scaleUp(f16Bits(least, 1)));
      f00 = madd(m00, n0, f00); f01 = madd(m01, n1, f01);
      if (count > 1) {
        f10 = madd(m10, n0, f10); f11 = madd(m11, n1, f11);
        f20 = madd(m20, n0, f20); f21 = madd(m21, n1, f21);
        f30 = madd(m30, n0, f30); f31 = madd(m31, n1, f31);
        f40 = madd(m40, n0, f40); f41 = madd(m41, n1, f41);
        f50 = madd(m50, n0, f50); f51 = madd(m51, n1, f51);
        f60 = madd(m60, n0, f60); f61 = madd(m61, n1, f61);
        f70 = madd(m70, n0, f70); f71 = madd(m71, n1, f71);
      }
    }
    h += superBlockBytes(f);
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
@inline export function gemmSuperDirect<F extends SuperBlock>(
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
