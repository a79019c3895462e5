/**
 * Float weights with float activations: F32, F16, BF16; and, through `exactGroup`, any quantized format
 * dequantized on the fly (the slow, exact path for checks against oracles).
 *
 * Group of 8 rows, one column after another:
 *   F32         32 bytes per column: 8 x f32
 *   F16, BF16   16 bytes per column: 8 x 16 bits
 *
 * Arithmetic per row: y += x[k] * w[k], k ascending, one chain.
 *
 * ARM (steps.ts) takes four columns at a time, in the GEMV eight of two groups of either stream, and repeats their
 * activations from registers.
 */
import { f16BitsBy, f16Mask, f16Scale, f16ToF32, f16Up, f16x4, madd } from '../isa';
import { fromRegisters, groupsAtOnce, lane, quarter } from './steps';

export abstract class FloatFormat {
  /** Bytes of one column of 8 rows. */
  abstract get bytes(): usize;
  /** Rows 4v .. 4v + 3 of the column at w, f32x4. */
  abstract column(w: usize, v: i32): v128;
  /** The same on ARM, which loads both halves at once; `up`, `mask`, `scale`: F16's constants (isa.ts), from registers. */
  abstract widened(w: usize, v: i32, up: v128, mask: v128, scale: v128): v128;
  /** Columns, 4 or 8, that ARM's GEMV takes at once: with eight of 16 bits, V8 spills. */
  abstract get atOnce(): i32;
  /** One weight as f32. */
  abstract weight(w: usize, row: i32): f32;
  /** Exponent bits of a stored weight: all set in NaN and Inf. */
  abstract get exponent(): u32;
}

@final class F32 extends FloatFormat {
  // @ts-ignore: decorator
  @inline get exponent(): u32 { return 0x7f800000; }
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 32; }
  // @ts-ignore: decorator
  @inline get atOnce(): i32 { return 8; }
  // @ts-ignore: decorator
  @inline column(w: usize, v: i32): v128 { return v128.load(w + (v << 4)); }
  // @ts-ignore: decorator
  @inline widened(w: usize, v: i32, up: v128, mask: v128, scale: v128): v128 { return this.column(w, v); }
  // @ts-ignore: decorator
  @inline weight(w: usize, row: i32): f32 { return load<f32>(w + (row << 2)); }
}

@final class F16 extends FloatFormat {
  // @ts-ignore: decorator
  @inline get exponent(): u32 { return 0x7c00; }
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 16; }
  // @ts-ignore: decorator
  @inline get atOnce(): i32 { return 4; }
  // @ts-ignore: decorator
  @inline column(w: usize, v: i32): v128 { return f16x4(w + (v << 3)); }
  // @ts-ignore: decorator
  @inline widened(w: usize, v: i32, up: v128, mask: v128, scale: v128): v128 {
    return f32x4.mul(f16BitsBy(v128.load(w), v, up, mask), scale);
  }
  // @ts-ignore: decorator
  @inline weight(w: usize, row: i32): f32 { return f16ToF32(load<u16>(w + (row << 1))); }
}

@final class BF16 extends FloatFormat {
  // @ts-ignore: decorator
  @inline get exponent(): u32 { return 0x7f80; }
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 16; }
  // @ts-ignore: decorator
  @inline get atOnce(): i32 { return 4; }
  // @ts-ignore: decorator
  @inline column(w: usize, v: i32): v128 { return i32x4.shl(v128.load16x4_u(w + (v << 3)), 16); }
  // @ts-ignore: decorator
  @inline widened(w: usize, v: i32, up: v128, mask: v128, scale: v128): v128 {
    const eight = v128.load(w);
    return i32x4.shl(v == 0 ? i32x4.extend_low_i16x8_u(eight) : i32x4.extend_high_i16x8_u(eight), 16);
  }
  // @ts-ignore: decorator
  @inline weight(w: usize, row: i32): f32 { return reinterpret<f32>(<u32>load<u16>(w + (row << 1)) << 16); }
}

/** acc += rows 4v .. 4v + 3 of four columns at w times the four activations x. */
// @ts-ignore: decorator
@inline function fourColumns<F extends FloatFormat>(
  f: F, w: usize, v: i32, acc: v128, x: v128, up: v128, mask: v128, scale: v128,
): v128 {
  acc = madd(f.widened(w, v, up, mask, scale), lane(x, 0), acc);
  acc = madd(f.widened(w + f.bytes, v, up, mask, scale), lane(x, 1), acc);
  acc = madd(f.widened(w + 2 * f.bytes, v, up, mask, scale), lane(x, 2), acc);
  return madd(f.widened(w + 3 * f.bytes, v, up, mask, scale), lane(x, 3), acc);
}

/** The same of `count` columns, 4 or 8. */
// @ts-ignore: decorator
@inline function someColumns<F extends FloatFormat>(
  f: F, count: i32, w: usize, v: i32, acc: v128, x0: v128, x4: v128, up: v128, mask: v128, scale: v128,
): v128 {
  acc = fourColumns(f, w, v, acc, x0, up, mask, scale);
  return count == 8 ? fourColumns(f, w + 4 * f.bytes, v, acc, x4, up, mask, scale) : acc;
}

// @ts-ignore: decorator
@inline function gemvFloat<F extends FloatFormat>(
  a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, columns: i32,
): void {
  const f = changetype<F>(0);
  const xEnd = x + (<usize>columns << 2);
  const groupBytes = <usize>columns * f.bytes;
  const up = f16Up(), mask = f16Mask(), scale = f16Scale();
  for (let g = 0; g < groups; g += groupsAtOnce()) {
    let a0 = v128.load(ya), a1 = v128.load(ya, 16), b0 = v128.load(yb), b1 = v128.load(yb, 16);
    // The second group of each stream; an odd last group is done twice, with the same result.
    const second = groupsAtOnce() == 2 && g + 1 < groups ? groupBytes : 0;
    const yc = ya + (second ? 32 : 0), yd = yb + (second ? 32 : 0);
    let c0 = a0, c1 = a1, d0 = b0, d1 = b1;
    if (groupsAtOnce() == 2) {
      c0 = v128.load(yc); c1 = v128.load(yc, 16); d0 = v128.load(yd); d1 = v128.load(yd, 16);
    }
    let p = x;
    if (fromRegisters()) {
      // One pointer to move: the other streams keep their distance.
      const apart = b - a, some = f.atOnce;
      for (const end = x + (<usize>(columns & -some) << 2); p < end; p += some << 2) {
        const s = quarter(p), t = some == 8 ? quarter(p + 16) : s, c = a + second, other = a + apart, d = other + second;
        a0 = someColumns(f, some, a, 0, a0, s, t, up, mask, scale); a1 = someColumns(f, some, a, 1, a1, s, t, up, mask, scale);
        c0 = someColumns(f, some, c, 0, c0, s, t, up, mask, scale); c1 = someColumns(f, some, c, 1, c1, s, t, up, mask, scale);
        b0 = someColumns(f, some, other, 0, b0, s, t, up, mask, scale); b1 = someColumns(f, some, other, 1, b1, s, t, up, mask, scale);
        d0 = someColumns(f, some, d, 0, d0, s, t, up, mask, scale); d1 = someColumns(f, some, d, 1, d1, s, t, up, mask, scale);
        a += <usize>some * f.bytes;
      }
      b = a + apart;
    }
    for (; p < xEnd; p += 4) {
      const s = v128.load32_splat(p);
      a0 = madd(f.column(a, 0), s, a0); a1 = madd(f.column(a, 1), s, a1);
      b0 = madd(f.column(b, 0), s, b0); b1 = madd(f.column(b, 1), s, b1);
      if (groupsAtOnce() == 2) {
        const c = a + second, d = b + second;
        c0 = madd(f.column(c, 0), s, c0); c1 = madd(f.column(c, 1), s, c1);
        d0 = madd(f.column(d, 0), s, d0); d1 = madd(f.column(d, 1), s, d1);
      }
      a += f.bytes;
      b += f.bytes;
    }
    v128.store(ya, a0); v128.store(ya, a1, 16); v128.store(yb, b0); v128.store(yb, b1, 16);
    if (groupsAtOnce() == 2) {
      v128.store(yc, c0); v128.store(yc, c1, 16); v128.store(yd, d0); v128.store(yd, d1, 16);
    }
    a += second;
    b += second;
    ya += groupsAtOnce() << 5;
    yb += groupsAtOnce() << 5;
  }
}

/** 8 rows x `tokens` tokens over `columns` columns of f32 at u. */
function floatTiles(u: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, columns: i32): void {
  const end = u + (<usize>columns << 5), fours = u + (<usize>(columns & ~3) << 5);
  const plain = changetype<F32>(0);
  let t = tokens;
  for (; t >= 4; t -= 4) {
    let x0 = x, x1 = x0 + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
    const y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride;
    let f00 = v128.load(y), f01 = v128.load(y, 16), f10 = v128.load(y1), f11 = v128.load(y1, 16);
    let f20 = v128.load(y2), f21 = v128.load(y2, 16), f30 = v128.load(y3), f31 = v128.load(y3, 16);
    let p = u;
    if (fromRegisters()) {
      for (; p < fours; p += 128) {
        const s0 = quarter(x0), s1 = quarter(x1), s2 = quarter(x2), s3 = quarter(x3);
        f00 = fourColumns(plain, p, 0, f00, s0, s0, s0, s0); f01 = fourColumns(plain, p, 1, f01, s0, s0, s0, s0);
        f10 = fourColumns(plain, p, 0, f10, s1, s1, s1, s1); f11 = fourColumns(plain, p, 1, f11, s1, s1, s1, s1);
        f20 = fourColumns(plain, p, 0, f20, s2, s2, s2, s2); f21 = fourColumns(plain, p, 1, f21, s2, s2, s2, s2);
        f30 = fourColumns(plain, p, 0, f30, s3, s3, s3, s3); f31 = fourColumns(plain, p, 1, f31, s3, s3, s3, s3);
        x0 += 16; x1 += 16; x2 += 16; x3 += 16;
      }
    }
    for (; p < end; p += 32) {
      const w0 = v128.load(p), w1 = v128.load(p, 16);
      let s = v128.load32_splat(x0);
      f00 = madd(w0, s, f00); f01 = madd(w1, s, f01);
      s = v128.load32_splat(x1);
      f10 = madd(w0, s, f10); f11 = madd(w1, s, f11);
      s = v128.load32_splat(x2);
      f20 = madd(w0, s, f20); f21 = madd(w1, s, f21);
      s = v128.load32_splat(x3);
      f30 = madd(w0, s, f30); f31 = madd(w1, s, f31);
      x0 += 4; x1 += 4; x2 += 4; x3 += 4;
    }
    v128.store(y, f00); v128.store(y, f01, 16); v128.store(y1, f10); v128.store(y1, f11, 16);
    v128.store(y2, f20); v128.store(y2, f21, 16); v128.store(y3, f30); v128.store(y3, f31, 16);
    x += xStride << 2;
    y += yStride << 2;
  }
  for (; t > 0; t--) {
    let xp = x, f0 = v128.load(y), f1 = v128.load(y, 16);
    let p = u;
    if (fromRegisters()) {
      for (; p < fours; p += 128) {
        const s = quarter(xp);
        f0 = fourColumns(plain, p, 0, f0, s, s, s, s); f1 = fourColumns(plain, p, 1, f1, s, s, s, s);
        xp += 16;
      }
    }
    for (; p < end; p += 32) {
      const s = v128.load32_splat(xp);
      f0 = madd(v128.load(p), s, f0); f1 = madd(v128.load(p, 16), s, f1);
      xp += 4;
    }
    v128.store(y, f0); v128.store(y, f1, 16);
    x += xStride;
    y += yStride;
  }
}

/** Columns made f32 at a time. */
export const FLOAT_CHUNK = 256;

// @ts-ignore: decorator
@inline function gemmFloat<F extends FloatFormat>(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, columns: i32, scratch: usize,
): void {
  const f = changetype<F>(0);
  const up = f16Up(), mask = f16Mask(), scale = f16Scale();
  for (let first = 0; first < columns; first += FLOAT_CHUNK) {
    const count = min(FLOAT_CHUNK, columns - first);
    for (let p = scratch, end = scratch + (<usize>count << 5); p < end; p += 32) {
      v128.store(p, fromRegisters() ? f.widened(w, 0, up, mask, scale) : f.column(w, 0));
      v128.store(p, fromRegisters() ? f.widened(w, 1, up, mask, scale) : f.column(w, 1), 16);
      w += f.bytes;
    }
    floatTiles(scratch, x, xStride, y, yStride, tokens, count);
    x += <usize>count << 2;
  }
}

// @ts-ignore: decorator
@inline function dequantizeFloat<F extends FloatFormat>(w: usize, row: i32, to: usize, columns: i32): void {
  const f = changetype<F>(0);
  for (let k = 0; k < columns; k++) {
    store<f32>(to, f.weight(w, row));
    w += f.bytes;
    to += 4;
  }
}

/** Rewrites `rows` (1..8) rows as one group; not 0: a weight is NaN or infinite. */
// @ts-ignore: decorator
@inline function repackFloat<F extends FloatFormat>(from: usize, rowBytes: usize, rows: i32, to: usize, columns: i32): u32 {
  const f = changetype<F>(0);
  const element = f.bytes >> 3;
  let bad: u32 = 0;
  for (let r: usize = 0; r < <usize>rows; r++) {
    let s = from + r * rowBytes, p = to + r * element;
    for (let k = 0; k < columns; k++) {
      const bits = element == 4 ? load<u32>(s) : <u32>load<u16>(s);
      bad |= u32((bits & f.exponent) == f.exponent);
      if (element == 4) store<u32>(p, bits);
      else store<u16>(p, bits);
      s += element;
      p += f.bytes;
    }
  }
  return bad;
}

/**
 * Y += X W^T for one row group of any format with f32 activations: `dequantize` (a table index) makes 256
 * columns f32 at a time. blockBytes: of 8 rows x 32 columns. scratch: 9,232 bytes.
 */
export function exactGroup(
  dequantize: u32, w: usize, blockBytes: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32,
  blocks: i32, scratch: usize,
): void {
  const row = scratch + (FLOAT_CHUNK << 5), spare = row + (FLOAT_CHUNK << 2);
  for (let first = 0; first < blocks; first += 8) {
    const count = min(8, blocks - first);
    for (let r = 0; r < 8; r++) {
      call_indirect<void>(dequantize, w, r, row, count, spare);
      for (let k = 0; k < count << 5; k++) store<f32>(scratch + (k << 5) + (r << 2), load<f32>(row + (k << 2)));
    }
    floatTiles(scratch, x, xStride, y, yStride, tokens, count << 5);
    w += <usize>count * blockBytes;
    x += <usize>count << 7;
  }
}

export function gemvF32(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, columns: i32): void {
  gemvFloat<F32>(a, b, x, ya, yb, groups, columns);
}

export function gemmF32(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, columns: i32, scratch: usize,
): void {
  floatTiles(w, x, xStride, y, yStride, tokens, columns);
}

export function dequantizeF32(w: usize, row: i32, to: usize, columns: i32, scratch: usize): void {
  dequantizeFloat<F32>(w, row, to, columns);
}

export function repackF32(from: usize, rowBytes: usize, rows: i32, to: usize, columns: i32): u32 {
  return repackFloat<F32>(from, rowBytes, rows, to, columns);
}

export function gemvF16(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, columns: i32): void {
  gemvFloat<F16>(a, b, x, ya, yb, groups, columns);
}

export function gemmF16(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, columns: i32, scratch: usize,
): void {
  gemmFloat<F16>(w, x, xStride, y, yStride, tokens, columns, scratch);
}

export function dequantizeF16(w: usize, row: i32, to: usize, columns: i32, scratch: usize): void {
  dequantizeFloat<F16>(w, row, to, columns);
}

export function repackF16(from: usize, rowBytes: usize, rows: i32, to: usize, columns: i32): u32 {
  return repackFloat<F16>(from, rowBytes, rows, to, columns);
}

export function gemvBF16(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, columns: i32): void {
  gemvFloat<BF16>(a, b, x, ya, yb, groups, columns);
}

export function gemmBF16(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, columns: i32, scratch: usize,
): void {
  gemmFloat<BF16>(w, x, xStride, y, yStride, tokens, columns, scratch);
}

export function dequantizeBF16(w: usize, row: i32, to: usize, columns: i32, scratch: usize): void {
  dequantizeFloat<BF16>(w, row, to, columns);
}

export function repackBF16(from: usize, rowBytes: usize, rows: i32, to: usize, columns: i32): u32 {
  return repackFloat<BF16>(from, rowBytes, rows, to, columns);
}
