/**
 * GEMM for the K formats: super-blocks are unpacked once and meet all tokens. Same arithmetic, in the same order, as
 * the GEMV in superblock.ts.
 */
import { DOT4, dotStep, dotSumScaled, f16x4, firstStep, madd, sumsLess, surplus, twice } from '../isa';
import { X8_BYTES, X8_SCALE, X8_SUMS, X8_SUMS_LOW } from './activations';
import { FEW_TOKENS } from './few';
import { gemmSuperDirect } from './superblock-direct';
import { gemmSuperFew } from './superblock-few';
import { SuperBlock, activationSum, headerBytes, minimum, start, superBlockBytes } from './superblock';

/** s += (first half's + scale * dot) * scale_x, the scale as unpacked: see twice. */
// @ts-ignore: decorator
@inline function addBlock<F extends SuperBlock>(f: F, s: v128, half: v128, acc: v128, scale: v128, xScale: v128): v128 {
  const sum = dotSumScaled(acc, scale);
  return madd(f32x4.convert_i32x4_s(f.split ? i32x4.add(half, sum) : sum), xScale, s);
}

/**
 * What the first step of a block's sums (split: of its first half's) takes away, so that weights stored with an offset
 * count without it. x: the block of activations.
 */
// @ts-ignore: decorator
@inline function excess<F extends SuperBlock>(f: F, x: usize): v128 {
  if (!f.offset) return i32x4.splat(0);
  return surplus(f.split ? v128.load32_splat(x, X8_SUMS_LOW) : v128.load32_splat(x, X8_SUMS), f.offset);
}

/** The same of the second half; x: column 12 of the block. */
// @ts-ignore: decorator
@inline function excessOfSecond<F extends SuperBlock>(f: F, x: usize): v128 {
  if (!f.offset) return i32x4.splat(0);
  const high = sumsLess(v128.load32_splat(x, X8_SUMS - 12), v128.load32_splat(x, X8_SUMS_LOW - 12));
  return surplus(high, f.offset);
}

/** The scale of the block of activations in which x is where the steps of tile4 have left it. */
// @ts-ignore: decorator
@inline function scaleAfterSteps<F extends SuperBlock>(f: F, x: usize): v128 {
  return f.split ? v128.load32_splat(x, X8_SCALE - 24) : v128.load32_splat(x, X8_SCALE - 28);
}

// An unpacked super-block, in the order in which the tile reads it:
//   8 blocks of [steps: 32 bytes each][scale lanes 2 x 16] per half (split) or once
//   d: 2 x f32x4
//   where there are minimums: [minimums 2 x f32x4] per block or half, then -dmin: 2 x f32x4

// @ts-ignore: decorator
@inline function stepsBytes<F extends SuperBlock>(f: F): usize {
  return f.split ? 128 : 256;
}

// @ts-ignore: decorator
@inline function unpackedBytes<F extends SuperBlock>(f: F): usize {
  const sums: usize = 8 * (f.split ? 320 : 288) + 32;
  return f.hasMinimum ? sums + 8 * (f.sixteen ? 64 : 32) + 32 : sums;
}

// @ts-ignore: decorator
@inline function unpack<F extends SuperBlock>(f: F, h: usize, to: usize): void {
  let w = h + headerBytes(f);
  for (let b = 0; b < 8; b++) {
    for (let v = 0; v < 2; v++) {
      let p = to + (v << 4);
      v128.store(p, f.weights(w, v, 0)); v128.store(p, f.weights(w, v, 1), 32);
      v128.store(p, f.weights(w, v, 2), 64); v128.store(p, f.weights(w, v, 3), 96);
      if (f.split) {
        v128.store(p, twice(f.scales(w, 0), v), 128);
        p += 32;
      }
      v128.store(p, f.weights(w, v, 4), 128); v128.store(p, f.weights(w, v, 5), 160);
      v128.store(p, f.weights(w, v, 6), 192); v128.store(p, f.weights(w, v, 7), 224);
      v128.store(p, twice(f.scales(w, 1), v), 256);
    }
    w += f.blockBytes;
    to += f.split ? 320 : 288;
  }
  v128.store(to, f16x4(h)); v128.store(to, f16x4(h + 8), 16);
  to += 32;
  if (f.hasMinimum) {
    w = h + headerBytes(f);
    for (let b = 0; b < 8; b++) {
      if (f.sixteen) {
        v128.store(to, minimum(f, w, 0, 0)); v128.store(to, minimum(f, w, 1, 0), 16);
        to += 32;
      }
      v128.store(to, minimum(f, w, 0, 1)); v128.store(to, minimum(f, w, 1, 1), 16);
      to += 32;
      w += f.blockBytes;
    }
    v128.store(to, f32x4.neg(f16x4(h + 16))); v128.store(to, f32x4.neg(f16x4(h + 24)), 16);
  }
}

/** 8 rows x 4 tokens over one unpacked super-block at u. */
// @ts-ignore: decorator
@inline function tile4<F extends SuperBlock>(f: F, u: usize, x: usize, xStride: usize, y: usize, yStride: usize): void {
  let x0 = x, x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
  const y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride;
  let f00 = f32x4.splat(0), f01 = f00, f10 = f00, f11 = f00, f20 = f00, f21 = f00, f30 = f00, f31 = f00;
  const end = x0 + 8 * X8_BYTES;
  do {
    let stepsEnd = u + stepsBytes(f) - 32;
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
    let s0 = v128.load(u, 32), s1 = v128.load(u, 48);
    let h00 = s, h01 = s, h10 = s, h11 = s, h20 = s, h21 = s, h30 = s, h31 = s;
    if (f.split) {
      h00 = dotSumScaled(a00, s0); h01 = dotSumScaled(a01, s1); h10 = dotSumScaled(a10, s0); h11 = dotSumScaled(a11, s1);
      h20 = dotSumScaled(a20, s0); h21 = dotSumScaled(a21, s1); h30 = dotSumScaled(a30, s0); h31 = dotSumScaled(a31, s1);
      stepsEnd += stepsBytes(f) - 32;
      w0 = v128.load(u, 64); w1 = v128.load(u, 80);
      s = v128.load32_splat(x0, 4); less = excessOfSecond(f, x0);
      a00 = firstStep(s, w0, f.offset, less); a01 = firstStep(s, w1, f.offset, less);
      s = v128.load32_splat(x1, 4); less = excessOfSecond(f, x1);
      a10 = firstStep(s, w0, f.offset, less); a11 = firstStep(s, w1, f.offset, less);
      s = v128.load32_splat(x2, 4); less = excessOfSecond(f, x2);
      a20 = firstStep(s, w0, f.offset, less); a21 = firstStep(s, w1, f.offset, less);
      s = v128.load32_splat(x3, 4); less = excessOfSecond(f, x3);
      a30 = firstStep(s, w0, f.offset, less); a31 = firstStep(s, w1, f.offset, less);
      do {
        w0 = v128.load(u, 96); w1 = v128.load(u, 112);
        s = v128.load32_splat(x0, 8);
        a00 = dotStep(a00, s, w0); a01 = dotStep(a01, s, w1);
        s = v128.load32_splat(x1, 8);
        a10 = dotStep(a10, s, w0); a11 = dotStep(a11, s, w1);
        s = v128.load32_splat(x2, 8);
        a20 = dotStep(a20, s, w0); a21 = dotStep(a21, s, w1);
        s = v128.load32_splat(x3, 8);
        a30 = dotStep(a30, s, w0); a31 = dotStep(a31, s, w1);
        u += 32; x0 += 4; x1 += 4; x2 += 4; x3 += 4;
      } while (u < stepsEnd);
      s0 = v128.load(u, 96); s1 = v128.load(u, 112);
    }
    s = scaleAfterSteps(f, x0);
    f00 = addBlock(f, f00, h00, a00, s0, s); f01 = addBlock(f, f01, h01, a01, s1, s);
    s = scaleAfterSteps(f, x1);
    f10 = addBlock(f, f10, h10, a10, s0, s); f11 = addBlock(f, f11, h11, a11, s1, s);
    s = scaleAfterSteps(f, x2);
    f20 = addBlock(f, f20, h20, a20, s0, s); f21 = addBlock(f, f21, h21, a21, s1, s);
    s = scaleAfterSteps(f, x3);
    f30 = addBlock(f, f30, h30, a30, s0, s); f31 = addBlock(f, f31, h31, a31, s1, s);
    u += f.split ? 128 : 64;
    const next = X8_BYTES - (f.split ? 24 : 28);
    x0 += next; x1 += next; x2 += next; x3 += next;
  } while (x0 < end);
  addTo(y, y1, y2, y3, u, f00, f01, f10, f11, f20, f21, f30, f31);
  if (f.hasMinimum) {
    u += 32;
    x0 = x; x1 = x0 + xStride; x2 = x1 + xStride; x3 = x2 + xStride;
    f00 = f32x4.splat(0); f01 = f00; f10 = f00; f11 = f00; f20 = f00; f21 = f00; f30 = f00; f31 = f00;
    do {
      if (f.sixteen) {
        const m0 = v128.load(u), m1 = v128.load(u, 16);
        let s = activationSum(f, x0, 0);
        f00 = madd(m0, s, f00); f01 = madd(m1, s, f01);
        s = activationSum(f, x1, 0);
        f10 = madd(m0, s, f10); f11 = madd(m1, s, f11);
        s = activationSum(f, x2, 0);
        f20 = madd(m0, s, f20); f21 = madd(m1, s, f21);
        s = activationSum(f, x3, 0);
        f30 = madd(m0, s, f30); f31 = madd(m1, s, f31);
        u += 32;
      }
      const m0 = v128.load(u), m1 = v128.load(u, 16);
      let s = activationSum(f, x0, 1);
      f00 = madd(m0, s, f00); f01 = madd(m1, s, f01);
      s = activationSum(f, x1, 1);
      f10 = madd(m0, s, f10); f11 = madd(m1, s, f11);
      s = activationSum(f, x2, 1);
      f20 = madd(m0, s, f20); f21 = madd(m1, s, f21);
      s = activationSum(f, x3, 1);
      f30 = madd(m0, s, f30); f31 = madd(m1, s, f31);
      u += 32;
      x0 += X8_BYTES; x1 += X8_BYTES; x2 += X8_BYTES; x3 += X8_BYTES;
    } while (x0 < end);
    addTo(y, y1, y2, y3, u, f00, f01, f10, f11, f20, f21, f30, f31);
  }
}

/** y += sums * the 8 factors at d, for four tokens. */
// @ts-ignore: decorator
@inline function addTo(
  y0: usize, y1: usize, y2: usize, y3: usize, d: usize,
  f00: v128, f01: v128, f10: v128, f11: v128, f20: v128, f21: v128, f30: v128, f31: v128,
): void {
  const d0 = v128.load(d), d1 = v128.load(d, 16);
  // Both loads before both stores: V8 joins neighbouring stores to 256 bits only with nothing between them.
  f00 = madd(f00, d0, v128.load(y0)); f01 = madd(f01, d1, v128.load(y0, 16));
  v128.store(y0, f00); v128.store(y0, f01, 16);
  f10 = madd(f10, d0, v128.load(y1)); f11 = madd(f11, d1, v128.load(y1, 16));
  v128.store(y1, f10); v128.store(y1, f11, 16);
  f20 = madd(f20, d0, v128.load(y2)); f21 = madd(f21, d1, v128.load(y2, 16));
  v128.store(y2, f20); v128.store(y2, f21, 16);
  f30 = madd(f30, d0, v128.load(y3)); f31 = madd(f31, d1, v128.load(y3, 16));
  v128.store(y3, f30); v128.store(y3, f31, 16);
}

/** 8 rows x 1 token over one unpacked super-block. */
// @ts-ignore: decorator
@inline function tile1<F extends SuperBlock>(f: F, u: usize, x: usize, y: usize): void {
  const end = x + 8 * X8_BYTES;
  let p = x, f0 = f32x4.splat(0), f1 = f0;
  do {
    let h0 = i32x4.splat(0), h1 = h0;
    for (let half = f.split ? 0 : 1; half < 2; half++) {
      let a0 = f.offset ? start(f, p, half) : i32x4.splat(0), a1 = a0;
      const stepsEnd = u + stepsBytes(f);
      let q = f.split && half ? p + 16 : p;
      do {
        const s = v128.load32_splat(q);
        a0 = dotStep(a0, s, v128.load(u)); a1 = dotStep(a1, s, v128.load(u, 16));
        u += 32; q += 4;
      } while (u < stepsEnd);
      h0 = i32x4.add(h0, dotSumScaled(a0, v128.load(u))); h1 = i32x4.add(h1, dotSumScaled(a1, v128.load(u, 16)));
      u += 32;
    }
    const xScale = v128.load32_splat(p, X8_SCALE);
    f0 = madd(f32x4.convert_i32x4_s(h0), xScale, f0); f1 = madd(f32x4.convert_i32x4_s(h1), xScale, f1);
    p += X8_BYTES;
  } while (p < end);
  let y0 = madd(f0, v128.load(u), v128.load(y)), y1 = madd(f1, v128.load(u, 16), v128.load(y, 16));
  if (f.hasMinimum) {
    u += 32;
    f0 = f32x4.splat(0); f1 = f0;
    p = x;
    do {
      for (let half = f.sixteen ? 0 : 1; half < 2; half++) {
        const s = activationSum(f, p, half);
        f0 = madd(v128.load(u), s, f0); f1 = madd(v128.load(u, 16), s, f1);
        u += 32;
      }
      p += X8_BYTES;
    } while (p < end);
    y0 = madd(f0, v128.load(u), y0); y1 = madd(f1, v128.load(u, 16), y1);
  }
  v128.store(y, y0); v128.store(y, y1, 16);
}

/** Y += X W^T for one row group; see gemmBlock32. scratch: two super-blocks, 6,272 bytes. */
// @ts-ignore: decorator
@inline export function gemmSuperBlock<F extends SuperBlock>(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  const f = changetype<F>(0);
  if (VARIANT == DOT4) {
    gemmSuperDirect(f, w, x, xStride, y, yStride, tokens, blocks);
    return;
  }
  if (f.plain && tokens < FEW_TOKENS) {
    gemmSuperFew(f, w, x, xStride, y, yStride, tokens, blocks);
    return;
  }
  for (let first = 0; first < blocks; first += 16) {
    const two = first + 8 < blocks;
    unpack(f, w, scratch);
    if (two) unpack(f, w + superBlockBytes(f), scratch + unpackedBytes(f));
    let xp = x, yp = y, t = tokens;
    for (; t >= 4; t -= 4) {
      tile4(f, scratch, xp, xStride, yp, yStride);
      if (two) tile4(f, scratch + unpackedBytes(f), xp + 8 * X8_BYTES, xStride, yp, yStride);
      xp += xStride << 2; yp += yStride << 2;
    }
    for (; t > 0; t--) {
      tile1(f, scratch, xp, yp);
      if (two) tile1(f, scratch + unpackedBytes(f), xp + 8 * X8_BYTES, yp);
      xp += xStride; yp += yStride;
    }
    w += 2 * superBlockBytes(f);
    x += 16 * X8_BYTES;
  }
}
