/**
 * GEMV and GEMM for formats whose scale (and minimum) belong to a block of 32 weights: Q4_0, Q4_1, Q5_0,
 * Q5_1, MXFP4.
 *
 * Weights are stored in groups of 8 rows; within a group the blocks of 32 columns follow one another, so a
 * kernel reads strictly linearly. One block of a group:
 *
 *   [scales, minimums of 8 rows][weights: steps of 4 columns x 8 rows]
 *
 * A format is a class of inlined methods over the address `w` of such a block. `v` is the row vector: rows
 * 0..3 (0) or 4..7 (1); `i` is the step: columns 4i .. 4i+3.
 *
 * Arithmetic, per row and block b, in this order in every kernel below (so that results do not depend on
 * which of them ran):    y += (scale_w * scale_x) * dot;    y += minimum_w * sum_x
 */
import { dotBias, dotStep, dotSum, madd } from '../isa';
import { Packed, repackRows } from './repack';
import { X8_BYTES, X8_PAIRS, X8_SCALE, X8_SUM } from './activations';

export abstract class Block32 extends Packed {
  /** Bytes of one block of 8 rows x 32 columns. */
  abstract get bytes(): usize;
  /** Subtracted from each stored weight. */
  abstract get offset(): i32;
  abstract get hasMinimum(): bool;
  /** Scales of 4 rows, f32x4. */
  abstract scale(w: usize, v: i32): v128;
  /** Minimums of 4 rows, f32x4, as the file has them: weight = scale * stored + minimum. */
  abstract storedMinimum(w: usize, v: i32): v128;
  /** The same for stored - offset: what kernels add. */
  abstract minimum(w: usize, v: i32): v128;
  /** 4 rows x 4 columns of weights, 0..31, one byte each, rows outermost. */
  abstract weights(w: usize, v: i32, i: i32): v128;
}

// @ts-ignore: decorator
@inline function start<F extends Block32>(f: F, x: usize): v128 {
  return f.offset ? dotBias(v128.load32_splat(x, X8_PAIRS), f.offset) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline function addBlock<F extends Block32>(f: F, y: v128, acc: v128, w: usize, v: i32, xScale: v128, xSum: v128): v128 {
  y = madd(f32x4.convert_i32x4_s(dotSum(acc)), f32x4.mul(f.scale(w, v), xScale), y);
  return f.hasMinimum ? madd(f.minimum(w, v), xSum, y) : y;
}

/**
 * y += W x for `groups` row groups at `a` and as many at `b`. Two distant streams keep two hardware
 * prefetchers busy, which one stream of weights does not. ya, yb: 8 f32 per group.
 */
// @ts-ignore: decorator
@inline export function gemvBlock32<F extends Block32>(
  a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32,
): void {
  const f = changetype<F>(0);
  const xEnd = x + <usize>blocks * X8_BYTES;
  for (let g = 0; g < groups; g++) {
    let fa0 = v128.load(ya), fa1 = v128.load(ya, 16);
    let fb0 = v128.load(yb), fb1 = v128.load(yb, 16);
    for (let p = x; p < xEnd; p += X8_BYTES) {
      let a0 = start(f, p), a1 = a0, b0 = a0, b1 = a0, s: v128;
      s = v128.load32_splat(p, 0);
      a0 = dotStep(a0, s, f.weights(a, 0, 0)); a1 = dotStep(a1, s, f.weights(a, 1, 0));
      b0 = dotStep(b0, s, f.weights(b, 0, 0)); b1 = dotStep(b1, s, f.weights(b, 1, 0));
      s = v128.load32_splat(p, 16);
      a0 = dotStep(a0, s, f.weights(a, 0, 4)); a1 = dotStep(a1, s, f.weights(a, 1, 4));
      b0 = dotStep(b0, s, f.weights(b, 0, 4)); b1 = dotStep(b1, s, f.weights(b, 1, 4));
      s = v128.load32_splat(p, 4);
      a0 = dotStep(a0, s, f.weights(a, 0, 1)); a1 = dotStep(a1, s, f.weights(a, 1, 1));
      b0 = dotStep(b0, s, f.weights(b, 0, 1)); b1 = dotStep(b1, s, f.weights(b, 1, 1));
      s = v128.load32_splat(p, 20);
      a0 = dotStep(a0, s, f.weights(a, 0, 5)); a1 = dotStep(a1, s, f.weights(a, 1, 5));
      b0 = dotStep(b0, s, f.weights(b, 0, 5)); b1 = dotStep(b1, s, f.weights(b, 1, 5));
      s = v128.load32_splat(p, 8);
      a0 = dotStep(a0, s, f.weights(a, 0, 2)); a1 = dotStep(a1, s, f.weights(a, 1, 2));
      b0 = dotStep(b0, s, f.weights(b, 0, 2)); b1 = dotStep(b1, s, f.weights(b, 1, 2));
      s = v128.load32_splat(p, 24);
      a0 = dotStep(a0, s, f.weights(a, 0, 6)); a1 = dotStep(a1, s, f.weights(a, 1, 6));
      b0 = dotStep(b0, s, f.weights(b, 0, 6)); b1 = dotStep(b1, s, f.weights(b, 1, 6));
      s = v128.load32_splat(p, 12);
      a0 = dotStep(a0, s, f.weights(a, 0, 3)); a1 = dotStep(a1, s, f.weights(a, 1, 3));
      b0 = dotStep(b0, s, f.weights(b, 0, 3)); b1 = dotStep(b1, s, f.weights(b, 1, 3));
      s = v128.load32_splat(p, 28);
      a0 = dotStep(a0, s, f.weights(a, 0, 7)); a1 = dotStep(a1, s, f.weights(a, 1, 7));
      b0 = dotStep(b0, s, f.weights(b, 0, 7)); b1 = dotStep(b1, s, f.weights(b, 1, 7));
      const xScale = v128.load32_splat(p, X8_SCALE);
      const xSum = f.hasMinimum ? v128.load32_splat(p, X8_SUM) : xScale;
      fa0 = addBlock(f, fa0, a0, a, 0, xScale, xSum); fa1 = addBlock(f, fa1, a1, a, 1, xScale, xSum);
      fb0 = addBlock(f, fb0, b0, b, 0, xScale, xSum); fb1 = addBlock(f, fb1, b1, b, 1, xScale, xSum);
      a += f.bytes;
      b += f.bytes;
    }
    v128.store(ya, fa0); v128.store(ya, fa1, 16);
    v128.store(yb, fb0); v128.store(yb, fb1, 16);
    ya += 32;
    yb += 32;
  }
}

/** Bytes of one unpacked block: 8 steps x 8 rows x 4 columns, scales and, where there are, minimums. */
// @ts-ignore: decorator
@inline function unpackedBytes<F extends Block32>(f: F): usize {
  return f.hasMinimum ? 320 : 288;
}

/** Unpacks `blocks` blocks of a row group: the weights as bytes, scale and minimum as f32. */
// @ts-ignore: decorator
@inline function unpack<F extends Block32>(f: F, w: usize, to: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    for (let v = 0; v < 2; v++) {
      const p = to + (v << 4);
      v128.store(p, f.weights(w, v, 0)); v128.store(p, f.weights(w, v, 1), 32);
      v128.store(p, f.weights(w, v, 2), 64); v128.store(p, f.weights(w, v, 3), 96);
      v128.store(p, f.weights(w, v, 4), 128); v128.store(p, f.weights(w, v, 5), 160);
      v128.store(p, f.weights(w, v, 6), 192); v128.store(p, f.weights(w, v, 7), 224);
      v128.store(p, f.scale(w, v), 256);
      if (f.hasMinimum) v128.store(p, f.minimum(w, v), 288);
    }
    w += f.bytes;
    to += unpackedBytes(f);
  }
}

/** 8 rows x 4 tokens over `blocks` unpacked blocks at u; token rows are xStride and yStride bytes apart. */
// @ts-ignore: decorator
@inline function tile4<F extends Block32>(f: F, u: usize, x0: usize, xStride: usize, y: usize, yStride: usize, blocks: i32): void {
  let x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
  const y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride;
  let f00 = v128.load(y), f01 = v128.load(y, 16), f10 = v128.load(y1), f11 = v128.load(y1, 16);
  let f20 = v128.load(y2), f21 = v128.load(y2, 16), f30 = v128.load(y3), f31 = v128.load(y3, 16);
  const end = u + <usize>blocks * unpackedBytes(f);
  while (u < end) {
    let a00 = start(f, x0), a10 = start(f, x1), a20 = start(f, x2), a30 = start(f, x3);
    let a01 = a00, a11 = a10, a21 = a20, a31 = a30;
    const stepsEnd = u + 256;
    do {
      const w0 = v128.load(u), w1 = v128.load(u, 16);
      let s = v128.load32_splat(x0);
      a00 = dotStep(a00, s, w0); a01 = dotStep(a01, s, w1);
      s = v128.load32_splat(x1);
      a10 = dotStep(a10, s, w0); a11 = dotStep(a11, s, w1);
      s = v128.load32_splat(x2);
      a20 = dotStep(a20, s, w0); a21 = dotStep(a21, s, w1);
      s = v128.load32_splat(x3);
      a30 = dotStep(a30, s, w0); a31 = dotStep(a31, s, w1);
      u += 32; x0 += 4; x1 += 4; x2 += 4; x3 += 4;
    } while (u < stepsEnd);
    // x now points at its block's scale.
    const s0 = v128.load(u), s1 = v128.load(u, 16);
    let s = v128.load32_splat(x0);
    f00 = madd(f32x4.convert_i32x4_s(dotSum(a00)), f32x4.mul(s0, s), f00);
    f01 = madd(f32x4.convert_i32x4_s(dotSum(a01)), f32x4.mul(s1, s), f01);
    s = v128.load32_splat(x1);
    f10 = madd(f32x4.convert_i32x4_s(dotSum(a10)), f32x4.mul(s0, s), f10);
    f11 = madd(f32x4.convert_i32x4_s(dotSum(a11)), f32x4.mul(s1, s), f11);
    s = v128.load32_splat(x2);
    f20 = madd(f32x4.convert_i32x4_s(dotSum(a20)), f32x4.mul(s0, s), f20);
    f21 = madd(f32x4.convert_i32x4_s(dotSum(a21)), f32x4.mul(s1, s), f21);
    s = v128.load32_splat(x3);
    f30 = madd(f32x4.convert_i32x4_s(dotSum(a30)), f32x4.mul(s0, s), f30);
    f31 = madd(f32x4.convert_i32x4_s(dotSum(a31)), f32x4.mul(s1, s), f31);
    if (f.hasMinimum) {
      const m0 = v128.load(u, 32), m1 = v128.load(u, 48);
      s = v128.load32_splat(x0, X8_SUM - X8_SCALE);
      f00 = madd(m0, s, f00); f01 = madd(m1, s, f01);
      s = v128.load32_splat(x1, X8_SUM - X8_SCALE);
      f10 = madd(m0, s, f10); f11 = madd(m1, s, f11);
      s = v128.load32_splat(x2, X8_SUM - X8_SCALE);
      f20 = madd(m0, s, f20); f21 = madd(m1, s, f21);
      s = v128.load32_splat(x3, X8_SUM - X8_SCALE);
      f30 = madd(m0, s, f30); f31 = madd(m1, s, f31);
    }
    u += unpackedBytes(f) - 256;
    x0 += X8_BYTES - 32; x1 += X8_BYTES - 32; x2 += X8_BYTES - 32; x3 += X8_BYTES - 32;
  }
  v128.store(y, f00); v128.store(y, f01, 16); v128.store(y1, f10); v128.store(y1, f11, 16);
  v128.store(y2, f20); v128.store(y2, f21, 16); v128.store(y3, f30); v128.store(y3, f31, 16);
}

/** 8 rows x 1 token: what is left of a batch that is not a multiple of four. */
// @ts-ignore: decorator
@inline function tile1<F extends Block32>(f: F, u: usize, x: usize, y: usize, blocks: i32): void {
  let f0 = v128.load(y), f1 = v128.load(y, 16);
  const end = u + <usize>blocks * unpackedBytes(f);
  while (u < end) {
    let a0 = start(f, x), a1 = a0;
    const stepsEnd = u + 256;
    do {
      const s = v128.load32_splat(x);
      a0 = dotStep(a0, s, v128.load(u)); a1 = dotStep(a1, s, v128.load(u, 16));
      u += 32; x += 4;
    } while (u < stepsEnd);
    const s = v128.load32_splat(x);
    f0 = madd(f32x4.convert_i32x4_s(dotSum(a0)), f32x4.mul(v128.load(u), s), f0);
    f1 = madd(f32x4.convert_i32x4_s(dotSum(a1)), f32x4.mul(v128.load(u, 16), s), f1);
    if (f.hasMinimum) {
      const m = v128.load32_splat(x, X8_SUM - X8_SCALE);
      f0 = madd(v128.load(u, 32), m, f0); f1 = madd(v128.load(u, 48), m, f1);
    }
    u += unpackedBytes(f) - 256;
    x += X8_BYTES - 32;
  }
  v128.store(y, f0); v128.store(y, f1, 16);
}

/** Blocks unpacked at a time: scratch that stays in the first-level cache beside the activations. */
const UNPACK_BLOCKS = 16;

/**
 * Y += X W^T for one row group and `tokens` tokens. Weights are unpacked once, a stretch of columns at a
 * time, and meet all tokens. y: 8 f32 per token, yStride bytes apart; scratch: 16 x 320 bytes.
 */
// @ts-ignore: decorator
@inline export function gemmBlock32<F extends Block32>(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  const f = changetype<F>(0);
  for (let first = 0; first < blocks; first += UNPACK_BLOCKS) {
    const count = min(UNPACK_BLOCKS, blocks - first);
    unpack(f, w, scratch, count);
    let xp = x, yp = y, t = tokens;
    for (; t >= 4; t -= 4) {
      tile4(f, scratch, xp, xStride, yp, yStride, count);
      xp += xStride << 2; yp += yStride << 2;
    }
    for (; t > 0; t--) {
      tile1(f, scratch, xp, yp, count);
      xp += xStride; yp += yStride;
    }
    w += <usize>count * f.bytes;
    x += <usize>count * X8_BYTES;
  }
}

/** One row of a group as f32: `blocks` x 32 values at `to`, bit-exact as ggml defines them. scratch: 16 bytes. */
// @ts-ignore: decorator
@inline export function dequantizeBlock32<F extends Block32>(
  w: usize, row: i32, to: usize, blocks: i32, scratch: usize,
): void {
  const f = changetype<F>(0);
  const v = row >> 2, lane = (row & 3) << 2;
  for (let b = 0; b < blocks; b++) {
    v128.store(scratch, f.scale(w, v));
    const scale = load<f32>(scratch + lane);
    let least: f32 = 0;
    if (f.hasMinimum) {
      v128.store(scratch, f.storedMinimum(w, v));
      least = load<f32>(scratch + lane);
    }
    for (let i = 0; i < 8; i++) {
      v128.store(scratch, f.weights(w, v, i));
      for (let k: usize = 0; k < 4; k++) {
        const q = <i32>load<u8>(scratch + lane + k) - (f.hasMinimum ? 0 : f.offset);
        const scaled = scale * <f32>q;
        store<f32>(to, f.hasMinimum ? scaled + least : scaled);
        to += 4;
      }
    }
    w += f.bytes;
  }
}

// @ts-ignore: decorator
@inline export function repackBlock32<F extends Block32>(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackRows<F>(from, rowBytes, rows, to, blocks, changetype<F>(0).bytes);
}
