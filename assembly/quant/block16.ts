/**
 * GEMV and GEMM for formats with 8-bit signed weights: Q8_0, IQ4_NL, IQ4_XS, I8. The relaxed int8 dots take only 7 bits
 * of their second operand, so these multiply in 16 bits: `i32x4.dot_i16x8_s`, exact everywhere.
 *
 * A step is 2 columns of 8 rows, 16 bytes, rows outermost: r0 k0, r0 k1, r1 k0 ... r7 k1; widened, its two
 * halves are the four-row vectors. 16 steps make a block of 32 columns; scales of 8 rows stand before it, where the
 * format has any.
 *
 * Arithmetic per row and block: y += (scale_w * scale_x) * dot.
 */
import { f16x4, madd } from '../isa';
import { Packed, repackRows, storeScale } from './repack';
import { X16_BYTES, X16_SCALE } from './activations';

export abstract class Block16 extends Packed {
  /** Bytes of one block of 8 rows x 32 columns. */
  abstract get bytes(): usize;
  /** Bytes of scales before the steps of a block; 0 where every scale is 1. */
  abstract get header(): usize;
  /** How many blocks make a super-block, before which an f16 of 8 rows stands; 1: there are none. */
  abstract get span(): i32;
  /** Scales of rows 0..3 (0) or 4..7 (1) of the block at w, f32x4. d: where its super-block begins. */
  abstract scale(w: usize, v: i32, d: usize): v128;
  /** 8 rows x 2 columns of signed bytes: step i at w = block + header + 16i, i < 8, or step i + 8 (`second`). */
  abstract weights(w: usize, second: bool): v128;
}

/** Formats of an f16 scale for each block. */
export abstract class F16Scaled16 extends Block16 {
  // @ts-ignore: decorator
  @inline get header(): usize { return 16; }
  // @ts-ignore: decorator
  @inline get span(): i32 { return 1; }
  // @ts-ignore: decorator
  @inline scale(w: usize, v: i32, d: usize): v128 { return f16x4(w + (v << 3)); }
}

/** Bytes of the f16 before a super-block. */
const SUPER_HEADER: usize = 16;

/** Bytes of so many blocks, whole super-blocks. */
// @ts-ignore: decorator
@inline function bytesOf<F extends Block16>(f: F, blocks: i32): usize {
  const bytes = <usize>blocks * f.bytes;
  return f.span > 1 ? bytes + <usize>(blocks / f.span) * SUPER_HEADER : bytes;
}

/** Scales of a block times the activations' scale. */
// @ts-ignore: decorator
@inline function scalesBy<F extends Block16>(f: F, w: usize, v: i32, d: usize, xScale: v128): v128 {
  return f.header ? f32x4.mul(f.scale(w, v, d), xScale) : xScale;
}

/** Adds, for each of four rows, the products of two int16 activations, repeated for each row, with two weights. */
// @ts-ignore: decorator
@inline function dotWords(acc: v128, x: v128, w: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(x, w));
}

// @ts-ignore: decorator
@inline function low(acc: v128, x: v128, w: v128): v128 {
  return dotWords(acc, x, i16x8.extend_low_i8x16_s(w));
}

// @ts-ignore: decorator
@inline function high(acc: v128, x: v128, w: v128): v128 {
  return dotWords(acc, x, i16x8.extend_high_i8x16_s(w));
}

/** y += W x for `groups` row groups at `a` and as many at `b`; see gemvBlock32. */
// @ts-ignore: decorator
@inline export function gemvBlock16<F extends Block16>(
  a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32,
): void {
  const f = changetype<F>(0);
  const xEnd = x + <usize>blocks * X16_BYTES;
  for (let g = 0; g < groups; g++) {
    let fa0 = v128.load(ya), fa1 = v128.load(ya, 16), fb0 = v128.load(yb), fb1 = v128.load(yb, 16);
    let p = x;
    do {
      const dA = a, dB = b, last = f.span > 1 ? p + <usize>f.span * X16_BYTES : xEnd;
      if (f.span > 1) {
        a += SUPER_HEADER;
        b += SUPER_HEADER;
      }
      do {
        let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
        let q = p, wa = a + f.header, wb = b + f.header;
        const stepsEnd = p + 32;
        do {
          let s = v128.load32_splat(q);
          let w = f.weights(wa, false);
          a0 = low(a0, s, w); a1 = high(a1, s, w);
          w = f.weights(wb, false);
          b0 = low(b0, s, w); b1 = high(b1, s, w);
          s = v128.load32_splat(q, 32);
          w = f.weights(wa, true);
          a0 = low(a0, s, w); a1 = high(a1, s, w);
          w = f.weights(wb, true);
          b0 = low(b0, s, w); b1 = high(b1, s, w);
          q += 4; wa += 16; wb += 16;
        } while (q < stepsEnd);
        const xScale = v128.load32_splat(p, X16_SCALE);
        fa0 = madd(f32x4.convert_i32x4_s(a0), scalesBy(f, a, 0, dA, xScale), fa0);
        fa1 = madd(f32x4.convert_i32x4_s(a1), scalesBy(f, a, 1, dA, xScale), fa1);
        fb0 = madd(f32x4.convert_i32x4_s(b0), scalesBy(f, b, 0, dB, xScale), fb0);
        fb1 = madd(f32x4.convert_i32x4_s(b1), scalesBy(f, b, 1, dB, xScale), fb1);
        a += f.bytes;
        b += f.bytes;
        p += X16_BYTES;
      } while (p < last);
    } while (f.span > 1 && p < xEnd);
    v128.store(ya, fa0); v128.store(ya, fa1, 16);
    v128.store(yb, fb0); v128.store(yb, fb1, 16);
    ya += 32;
    yb += 32;
  }
}

/** Unpacked: 16 steps of two i16x8 vectors, then 8 scales as f32. */
const UNPACKED_BYTES: usize = 544;
const UNPACK_BLOCKS = 16;

// @ts-ignore: decorator
@inline function unpack<F extends Block16>(f: F, w: usize, to: usize, blocks: i32): void {
  let d = w;
  for (let b = 0; b < blocks; b++) {
    if (f.span > 1 && b % f.span == 0) {
      d = w;
      w += SUPER_HEADER;
    }
    for (let i = 0; i < 8; i++) {
      let bytes = f.weights(w + f.header + (i << 4), false);
      v128.store(to, i16x8.extend_low_i8x16_s(bytes));
      v128.store(to, i16x8.extend_high_i8x16_s(bytes), 16);
      bytes = f.weights(w + f.header + (i << 4), true);
      v128.store(to, i16x8.extend_low_i8x16_s(bytes), 256);
      v128.store(to, i16x8.extend_high_i8x16_s(bytes), 272);
      to += 32;
    }
    to += 256;
    v128.store(to, f.scale(w, 0, d));
    v128.store(to, f.scale(w, 1, d), 16);
    to += 32;
    w += f.bytes;
  }
}

/** 8 rows x 4 tokens over `blocks` unpacked blocks at u. */
function tile4(u: usize, x0: usize, xStride: usize, y: usize, yStride: usize, blocks: i32): void {
  let x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
  const y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride;
  let f00 = v128.load(y), f01 = v128.load(y, 16), f10 = v128.load(y1), f11 = v128.load(y1, 16);
  let f20 = v128.load(y2), f21 = v128.load(y2, 16), f30 = v128.load(y3), f31 = v128.load(y3, 16);
  const end = u + <usize>blocks * UNPACKED_BYTES;
  while (u < end) {
    let a00 = i32x4.splat(0), a01 = a00, a10 = a00, a11 = a00, a20 = a00, a21 = a00, a30 = a00, a31 = a00;
    const stepsEnd = u + 512;
    do {
      // Four steps share five pointers. The breaks between them never happen: the compiler moves all loads of a basic
      // block to its front, and those of one step are as many as there are registers for.
      let w0 = v128.load(u), w1 = v128.load(u, 16);
      let s = v128.load32_splat(x0);
      a00 = dotWords(a00, s, w0); a01 = dotWords(a01, s, w1);
      s = v128.load32_splat(x1);
      a10 = dotWords(a10, s, w0); a11 = dotWords(a11, s, w1);
      s = v128.load32_splat(x2);
      a20 = dotWords(a20, s, w0); a21 = dotWords(a21, s, w1);
      s = v128.load32_splat(x3);
      a30 = dotWords(a30, s, w0); a31 = dotWords(a31, s, w1);
      if (u > stepsEnd) break;
      w0 = v128.load(u, 32); w1 = v128.load(u, 48);
      s = v128.load32_splat(x0, 4);
      a00 = dotWords(a00, s, w0); a01 = dotWords(a01, s, w1);
      s = v128.load32_splat(x1, 4);
      a10 = dotWords(a10, s, w0); a11 = dotWords(a11, s, w1);
      s = v128.load32_splat(x2, 4);
      a20 = dotWords(a20, s, w0); a21 = dotWords(a21, s, w1);
      s = v128.load32_splat(x3, 4);
      a30 = dotWords(a30, s, w0); a31 = dotWords(a31, s, w1);
      if (u >= stepsEnd) break;
      w0 = v128.load(u, 64); w1 = v128.load(u, 80);
      s = v128.load32_splat(x0, 8);
      a00 = dotWords(a00, s, w0); a01 = dotWords(a01, s, w1);
      s = v128.load32_splat(x1, 8);
      a10 = dotWords(a10, s, w0); a11 = dotWords(a11, s, w1);
      s = v128.load32_splat(x2, 8);
      a20 = dotWords(a20, s, w0); a21 = dotWords(a21, s, w1);
      s = v128.load32_splat(x3, 8);
      a30 = dotWords(a30, s, w0); a31 = dotWords(a31, s, w1);
      if (u == stepsEnd) break;
      w0 = v128.load(u, 96); w1 = v128.load(u, 112);
      s = v128.load32_splat(x0, 12);
      a00 = dotWords(a00, s, w0); a01 = dotWords(a01, s, w1);
      s = v128.load32_splat(x1, 12);
      a10 = dotWords(a10, s, w0); a11 = dotWords(a11, s, w1);
      s = v128.load32_splat(x2, 12);
      a20 = dotWords(a20, s, w0); a21 = dotWords(a21, s, w1);
      s = v128.load32_splat(x3, 12);
      a30 = dotWords(a30, s, w0); a31 = dotWords(a31, s, w1);
      u += 128; x0 += 16; x1 += 16; x2 += 16; x3 += 16;
    } while (u < stepsEnd);
    const s0 = v128.load(u), s1 = v128.load(u, 16);
    let s = v128.load32_splat(x0);
    f00 = madd(f32x4.convert_i32x4_s(a00), f32x4.mul(s0, s), f00); f01 = madd(f32x4.convert_i32x4_s(a01), f32x4.mul(s1, s), f01);
    s = v128.load32_splat(x1);
    f10 = madd(f32x4.convert_i32x4_s(a10), f32x4.mul(s0, s), f10); f11 = madd(f32x4.convert_i32x4_s(a11), f32x4.mul(s1, s), f11);
    s = v128.load32_splat(x2);
    f20 = madd(f32x4.convert_i32x4_s(a20), f32x4.mul(s0, s), f20); f21 = madd(f32x4.convert_i32x4_s(a21), f32x4.mul(s1, s), f21);
    s = v128.load32_splat(x3);
    f30 = madd(f32x4.convert_i32x4_s(a30), f32x4.mul(s0, s), f30); f31 = madd(f32x4.convert_i32x4_s(a31), f32x4.mul(s1, s), f31);
    u += 32;
    x0 += X16_BYTES - 64; x1 += X16_BYTES - 64; x2 += X16_BYTES - 64; x3 += X16_BYTES - 64;
  }
  v128.store(y, f00); v128.store(y, f01, 16); v128.store(y1, f10); v128.store(y1, f11, 16);
  v128.store(y2, f20); v128.store(y2, f21, 16); v128.store(y3, f30); v128.store(y3, f31, 16);
}

/** 8 rows x 1 token. */
function tile1(u: usize, x: usize, y: usize, blocks: i32): void {
  let f0 = v128.load(y), f1 = v128.load(y, 16);
  const end = u + <usize>blocks * UNPACKED_BYTES;
  while (u < end) {
    let a0 = i32x4.splat(0), a1 = a0;
    const stepsEnd = u + 512;
    do {
      const s = v128.load32_splat(x);
      a0 = dotWords(a0, s, v128.load(u)); a1 = dotWords(a1, s, v128.load(u, 16));
      u += 32; x += 4;
    } while (u < stepsEnd);
    const s = v128.load32_splat(x);
    f0 = madd(f32x4.convert_i32x4_s(a0), f32x4.mul(v128.load(u), s), f0);
    f1 = madd(f32x4.convert_i32x4_s(a1), f32x4.mul(v128.load(u, 16), s), f1);
    u += 32;
    x += X16_BYTES - 64;
  }
  v128.store(y, f0); v128.store(y, f1, 16);
}

/** Y += X W^T for one row group; see gemmBlock32. scratch: 16 x 544 bytes. */
// @ts-ignore: decorator
@inline export function gemmBlock16<F extends Block16>(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  const f = changetype<F>(0);
  for (let first = 0; first < blocks; first += UNPACK_BLOCKS) {
    const count = min(UNPACK_BLOCKS, blocks - first);
    unpack(f, w, scratch, count);
    let xp = x, yp = y, t = tokens;
    for (; t >= 4; t -= 4) {
      tile4(scratch, xp, xStride, yp, yStride, count);
      xp += xStride << 2; yp += yStride << 2;
    }
    for (; t > 0; t--) {
      tile1(scratch, xp, yp, count);
      xp += xStride; yp += yStride;
    }
    w += bytesOf(f, count);
    x += <usize>count * X16_BYTES;
  }
}

/** One row of a group as f32, bit-exact as the format defines it. scratch: 16 bytes. */
// @ts-ignore: decorator
@inline export function dequantizeBlock16<F extends Block16>(
  w: usize, row: i32, to: usize, blocks: i32, scratch: usize,
): void {
  const f = changetype<F>(0);
  let d = w;
  for (let b = 0; b < blocks; b++) {
    if (f.span > 1 && b % f.span == 0) {
      d = w;
      w += SUPER_HEADER;
    }
    v128.store(scratch, row < 4 ? f.scale(w, 0, d) : f.scale(w, 1, d));
    const scale = load<f32>(scratch + ((row & 3) << 2));
    for (let i = 0; i < 16; i++) {
      const step = w + f.header + ((i & 7) << 4);
      v128.store(scratch, i < 8 ? f.weights(step, false) : f.weights(step, true));
      store<f32>(to, scale * <f32>load<i8>(scratch + (row << 1)));
      store<f32>(to, scale * <f32>load<i8>(scratch + (row << 1), 1), 4);
      to += 8;
    }
    w += f.bytes;
  }
}

/** Eight i16 of each of 8 rows, rowBytes apart, as 8 vectors at `to`: vector i holds value i of every row. */
function transpose8(from: usize, rowBytes: usize, to: usize): void {
  const a = v128.load(from), b = v128.load(from + rowBytes), c = v128.load(from + 2 * rowBytes), d = v128.load(from + 3 * rowBytes);
  from += rowBytes << 2;
  const e = v128.load(from), f = v128.load(from + rowBytes), g = v128.load(from + 2 * rowBytes), h = v128.load(from + 3 * rowBytes);
  const ab = unpackLow(a, b), cd = unpackLow(c, d), ef = unpackLow(e, f), gh = unpackLow(g, h);
  storeColumns(ab, cd, ef, gh, to);
  storeColumns(unpackHigh(a, b), unpackHigh(c, d), unpackHigh(e, f), unpackHigh(g, h), to + 64);
}

/** Four vectors of pairs of rows, four columns each, as one vector of 8 rows per column. */
// @ts-ignore: decorator
@inline function storeColumns(ab: v128, cd: v128, ef: v128, gh: v128, to: usize): void {
  const low = v128.shuffle<i32>(ab, cd, 0, 4, 1, 5), high = v128.shuffle<i32>(ef, gh, 0, 4, 1, 5);
  v128.store(to, v128.shuffle<i64>(low, high, 0, 2)); v128.store(to, v128.shuffle<i64>(low, high, 1, 3), 16);
  const low2 = v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), high2 = v128.shuffle<i32>(ef, gh, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(low2, high2, 0, 2), 32); v128.store(to, v128.shuffle<i64>(low2, high2, 1, 3), 48);
}

// @ts-ignore: decorator
@inline function unpackLow(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline function unpackHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** A file's block is an f16 scale, where there is one, and then vectors of weights; whole groups go 8 rows at a time. Super-blocks go one by one. */
// @ts-ignore: decorator
@inline export function repackBlock16<F extends Block16>(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  const f = changetype<F>(0);
  if (rows < 8 || f.span > 1) return repackRows<F>(from, rowBytes, rows, to, blocks / f.span, bytesOf(f, f.span));
  let bad: u32 = 0;
  for (let b = 0; b < blocks; b++) {
    const scale: usize = f.header ? 2 : 0;
    for (let r: usize = 0; f.header && r < 8; r++) bad |= storeScale(to + (r << 1), load<u16>(from + r * rowBytes));
    for (let at = scale; at < f.fileBytes; at += 16) transpose8(from + at, rowBytes, to + (at << 3));
    from += f.fileBytes;
    to += f.bytes;
  }
  return bad;
}
