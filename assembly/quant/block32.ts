/**
 * GEMV and GEMM for formats whose scale (and minimum) belong to a block of 32 weights: Q4_0, Q4_1, Q5_0,
 * Q5_1, MXFP4 and, with SDOT, Q8_0 and IQ4_NL.
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
import { DOT4, dotBias, dotStep, dotSum, f16Bits, firstStep, madd, scaleUp, surplus } from '../isa';
import { gemmDirect } from './block32-direct';
import { gemmFew } from './block32-few';
import { FEW_TOKENS, MANY_TOKENS, STRETCH } from './few';
import { interleave } from './repack';
import { dotBlock, groupsAtOnce, looped, quarter, repeated } from './steps';
import { X8_BYTES, X8_SUMS, X8_SCALE, X8_SUM } from './activations';

export abstract class Block32 {
  /** Bytes of one block of 8 rows x 32 columns. */
  abstract get bytes(): usize;
  /** Bytes of one block in the file; of these before the weights. */
  abstract get fileBytes(): usize;
  abstract get fileHead(): usize;
  /** Writes what stands before the weights, of the file's block at `from`, as row `r` of the group's block at `to`; not 0: a scale is NaN or infinite. */
  abstract packHead(from: usize, to: usize, r: usize): u32;
  /** Subtracted from each stored weight. */
  abstract get offset(): i32;
  abstract get hasMinimum(): bool;
  /** The weights lie in a nibble plane alone, of which every step is unpacked alike. */
  abstract get plain(): bool;
  /** Makes up for what scales and minimums below lack (those of f16Bits: 2^112), for one of them or for the scale of the activations, which meets all scales. */
  abstract whole(x: v128): v128;
  /** Scales of 4 rows, f32x4. */
  abstract scale(w: usize, v: i32): v128;
  /** Minimums of 4 rows, f32x4, as the file has them: weight = scale * stored + minimum. */
  abstract storedMinimum(w: usize, v: i32): v128;
  /** The same for stored - offset: what kernels add. */
  abstract minimum(w: usize, v: i32): v128;
  /** 4 rows x 4 columns of weights, 0..31 (or, where signedDot() says so, -128..127), one byte each, rows outermost. */
  abstract weights(w: usize, v: i32, i: i32): v128;
}

/** Formats of an f16 scale and no minimum. */
export abstract class F16Scaled32 extends Block32 {
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }
  // @ts-ignore: decorator
  @inline whole(x: v128): v128 { return scaleUp(x); }
  // @ts-ignore: decorator
  @inline scale(w: usize, v: i32): v128 { return f16Bits(v128.load(w), v); }
  // @ts-ignore: decorator
  @inline storedMinimum(w: usize, v: i32): v128 { return f32x4.splat(0); }
  // @ts-ignore: decorator
  @inline minimum(w: usize, v: i32): v128 { return f32x4.splat(0); }
}

// @ts-ignore: decorator
@inline export function start<F extends Block32>(f: F, x: usize): v128 {
  return f.offset ? dotBias(v128.load32_splat(x, X8_SUMS), f.offset) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline function addBlock<F extends Block32>(f: F, y: v128, acc: v128, w: usize, v: i32, xScale: v128, xSum: v128): v128 {
  y = madd(f32x4.convert_i32x4_s(dotSum(acc)), f32x4.mul(f.scale(w, v), xScale), y);
  return f.hasMinimum ? madd(f.whole(f.minimum(w, v)), xSum, y) : y;
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
  const groupBytes = <usize>blocks * f.bytes;
  for (let g = 0; g < groups; g += groupsAtOnce()) {
    let fa0 = v128.load(ya), fa1 = v128.load(ya, 16);
    let fb0 = v128.load(yb), fb1 = v128.load(yb, 16);
    // The second group of each stream; an odd last group is done twice, with the same result.
    const second = groupsAtOnce() == 2 && g + 1 < groups ? groupBytes : 0;
    const c = ya + (second ? 32 : 0), d = yb + (second ? 32 : 0);
    let fc0 = fa0, fc1 = fa1, fd0 = fb0, fd1 = fb1;
    if (groupsAtOnce() == 2) {
      fc0 = v128.load(c); fc1 = v128.load(c, 16);
      fd0 = v128.load(d); fd1 = v128.load(d, 16);
    }
    for (let p = x; p < xEnd; p += X8_BYTES) {
      const numbers = quarter(p + 32);
      const xScale = f.whole(repeated(numbers, p, 8));
      const xSum = f.hasMinimum ? repeated(numbers, p, 9) : xScale;
      let a0 = f.offset ? dotBias(repeated(numbers, p, 10), f.offset) : i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
      if (looped(f.plain)) {
        const stepsEnd = p + 16;
        let wa = a, wb = b, q = p;
        do {
          let s = v128.load32_splat(q);
          a0 = dotStep(a0, s, f.weights(wa, 0, 0)); a1 = dotStep(a1, s, f.weights(wa, 1, 0));
          b0 = dotStep(b0, s, f.weights(wb, 0, 0)); b1 = dotStep(b1, s, f.weights(wb, 1, 0));
          s = v128.load32_splat(q, 16);
          a0 = dotStep(a0, s, f.weights(wa, 0, 4)); a1 = dotStep(a1, s, f.weights(wa, 1, 4));
          b0 = dotStep(b0, s, f.weights(wb, 0, 4)); b1 = dotStep(b1, s, f.weights(wb, 1, 4));
          wa += 32; wb += 32; q += 4;
        } while (q < stepsEnd);
      } else {
        const low = quarter(p), high = quarter(p + 16);
        const s0 = repeated(low, p, 0), s1 = repeated(low, p, 1), s2 = repeated(low, p, 2), s3 = repeated(low, p, 3);
        const s4 = repeated(high, p, 4), s5 = repeated(high, p, 5), s6 = repeated(high, p, 6), s7 = repeated(high, p, 7);
        a0 = dotBlock(f, a, 0, a0, s0, s1, s2, s3, s4, s5, s6, s7); a1 = dotBlock(f, a, 1, a1, s0, s1, s2, s3, s4, s5, s6, s7);
        if (groupsAtOnce() == 2) {
          const wc = a + second, wd = b + second;
          fc0 = addBlock(f, fc0, dotBlock(f, wc, 0, b0, s0, s1, s2, s3, s4, s5, s6, s7), wc, 0, xScale, xSum);
          fc1 = addBlock(f, fc1, dotBlock(f, wc, 1, b0, s0, s1, s2, s3, s4, s5, s6, s7), wc, 1, xScale, xSum);
          fd0 = addBlock(f, fd0, dotBlock(f, wd, 0, b0, s0, s1, s2, s3, s4, s5, s6, s7), wd, 0, xScale, xSum);
          fd1 = addBlock(f, fd1, dotBlock(f, wd, 1, b0, s0, s1, s2, s3, s4, s5, s6, s7), wd, 1, xScale, xSum);
        }
        b0 = dotBlock(f, b, 0, b0, s0, s1, s2, s3, s4, s5, s6, s7); b1 = dotBlock(f, b, 1, b1, s0, s1, s2, s3, s4, s5, s6, s7);
      }
      fa0 = addBlock(f, fa0, a0, a, 0, xScale, xSum); fa1 = addBlock(f, fa1, a1, a, 1, xScale, xSum);
      fb0 = addBlock(f, fb0, b0, b, 0, xScale, xSum); fb1 = addBlock(f, fb1, b1, b, 1, xScale, xSum);
      a += f.bytes;
      b += f.bytes;
    }
    v128.store(ya, fa0); v128.store(ya, fa1, 16);
    v128.store(yb, fb0); v128.store(yb, fb1, 16);
    if (groupsAtOnce() == 2) {
      v128.store(c, fc0); v128.store(c, fc1, 16);
      v128.store(d, fd0); v128.store(d, fd1, 16);
    }
    a += second;
    b += second;
    ya += groupsAtOnce() << 5;
    yb += groupsAtOnce() << 5;
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
      v128.store(p, f.whole(f.scale(w, v)), 256);
      if (f.hasMinimum) v128.store(p, f.whole(f.minimum(w, v)), 288);
    }
    w += f.bytes;
    to += unpackedBytes(f);
  }
}

/** What the first step of a sum takes away, so that weights stored with an offset count without it. */
// @ts-ignore: decorator
@inline function excess<F extends Block32>(f: F, x: usize): v128 {
  if (!f.offset) return i32x4.splat(0);
  return surplus(v128.load32_splat(x, X8_SUMS), f.offset);
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
    const stepsEnd = u + 224;
    let w0 = v128.load(u), w1 = v128.load(u, 16);
    let s = v128.load32_splat(x0), less = excess(f, x0);
    let a00 = firstStep(s, w0, f.offset, less), a01 = firstStep(s, w1, f.offset, less);
    s = v128.load32_splat(x1); less = excess(f, x1);
    let a10 = firstStep(s, w0, f.offset, less), a11 = firstStep(s, w1, f.offset, less);
    s = v128.load32_splat(x2); less = excess(f, x2);
    let a20 = firstStep(s, w0, f.offset, less), a21 = firstStep(s, w1, f.offset, less);
    s = v128.load32_splat(x3); less = excess(f, x3);
    let a30 = firstStep(s, w0, f.offset, less), a31 = firstStep(s, w1, f.offset, less);
    do {
      w0 = v128.load(u, 32); w1 = v128.load(u, 48);
      s = v128.load32_splat(x0, 4);
      a00 = dotStep(a00, s, w0); a01 = dotStep(a01, s, w1);
      s = v128.load32_splat(x1, 4);
      a10 = dotStep(a10, s, w0); a11 = dotStep(a11, s, w1);
      s = v128.load32_splat(x2, 4);
      a20 = dotStep(a20, s, w0); a21 = dotStep(a21, s, w1);
      s = v128.load32_splat(x3, 4);
      a30 = dotStep(a30, s, w0); a31 = dotStep(a31, s, w1);
      u += 32; x0 += 4; x1 += 4; x2 += 4; x3 += 4;
    } while (u < stepsEnd);
    // u and x now point at the last step; scales follow it.
    const s0 = v128.load(u, 32), s1 = v128.load(u, 48);
    s = v128.load32_splat(x0, 4);
    f00 = madd(f32x4.convert_i32x4_s(dotSum(a00)), f32x4.mul(s0, s), f00);
    f01 = madd(f32x4.convert_i32x4_s(dotSum(a01)), f32x4.mul(s1, s), f01);
    s = v128.load32_splat(x1, 4);
    f10 = madd(f32x4.convert_i32x4_s(dotSum(a10)), f32x4.mul(s0, s), f10);
    f11 = madd(f32x4.convert_i32x4_s(dotSum(a11)), f32x4.mul(s1, s), f11);
    s = v128.load32_splat(x2, 4);
    f20 = madd(f32x4.convert_i32x4_s(dotSum(a20)), f32x4.mul(s0, s), f20);
    f21 = madd(f32x4.convert_i32x4_s(dotSum(a21)), f32x4.mul(s1, s), f21);
    s = v128.load32_splat(x3, 4);
    f30 = madd(f32x4.convert_i32x4_s(dotSum(a30)), f32x4.mul(s0, s), f30);
    f31 = madd(f32x4.convert_i32x4_s(dotSum(a31)), f32x4.mul(s1, s), f31);
    if (f.hasMinimum) {
      const m0 = v128.load(u, 64), m1 = v128.load(u, 80);
      s = v128.load32_splat(x0, X8_SUM - X8_SCALE + 4);
      f00 = madd(m0, s, f00); f01 = madd(m1, s, f01);
      s = v128.load32_splat(x1, X8_SUM - X8_SCALE + 4);
      f10 = madd(m0, s, f10); f11 = madd(m1, s, f11);
      s = v128.load32_splat(x2, X8_SUM - X8_SCALE + 4);
      f20 = madd(m0, s, f20); f21 = madd(m1, s, f21);
      s = v128.load32_splat(x3, X8_SUM - X8_SCALE + 4);
      f30 = madd(m0, s, f30); f31 = madd(m1, s, f31);
    }
    u += unpackedBytes(f) - 224;
    x0 += X8_BYTES - 28; x1 += X8_BYTES - 28; x2 += X8_BYTES - 28; x3 += X8_BYTES - 28;
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
  if (VARIANT == DOT4) {
    gemmDirect(f, w, x, xStride, y, yStride, tokens, blocks);
    return;
  }
  if (f.plain && tokens < FEW_TOKENS) {
    gemmFew(f, w, x, xStride, y, yStride, tokens, blocks);
    return;
  }
  const stretch = tokens < MANY_TOKENS ? STRETCH : UNPACK_BLOCKS;
  for (let first = 0; first < blocks; first += stretch) {
    const count = min(stretch, blocks - first);
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
    v128.store(scratch, f.whole(f.scale(w, v)));
    const scale = load<f32>(scratch + lane);
    let least: f32 = 0;
    if (f.hasMinimum) {
      v128.store(scratch, f.whole(f.storedMinimum(w, v)));
      least = load<f32>(scratch + lane);
    }
    for (let i = 0; i < 8; i++) {
      v128.store(scratch, f.weights(w, v, i));
      for (let k: usize = 0; k < 4; k++) {
        const q = <i32>load<i8>(scratch + lane + k) - (f.hasMinimum ? 0 : f.offset);
        const scaled = scale * <f32>q;
        store<f32>(to, f.hasMinimum ? scaled + least : scaled);
        to += 4;
      }
    }
    w += f.bytes;
  }
}

/** A file's block ends with its weights; every four bytes of these are a step, or two, of the last plane. */
// @ts-ignore: decorator
@inline export function repackBlock32<F extends Block32>(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  const f = changetype<F>(0), weights = f.fileBytes - f.fileHead;
  let bad: u32 = 0;
  for (let b = 0; b < blocks; b++) {
    for (let r: usize = 0; r < <usize>rows; r++) bad |= f.packHead(from + r * rowBytes, to, r);
    for (let i: usize = 0; i < weights; i += 16) {
      interleave(from + f.fileHead + i, rowBytes, rows, to + f.bytes - (weights << 3) + (i << 3));
    }
    from += f.fileBytes;
    to += f.bytes;
  }
  return bad;
}
