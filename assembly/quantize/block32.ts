/**
 * Q4_0, Q4_1, Q5_0, Q5_1, Q8_0: blocks of 32 columns, scaled by their largest value or their range. The bytes are
 * drawn in assembly/quant/q4_0.ts and so on.
 */
import { toF16 } from './numbers';

/** Eight vectors of a block folded into one, then its lanes into one f32. */
// @ts-ignore: decorator
@inline function maxOf(x: usize): f32 {
  let m = v128.load(x);
  for (let i: usize = 16; i < 128; i += 16) m = f32x4.pmax(m, v128.load(x + i));
  m = f32x4.pmax(m, v128.shuffle<i32>(m, m, 2, 3, 0, 1));
  return max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1));
}

// @ts-ignore: decorator
@inline function minOf(x: usize): f32 {
  let m = v128.load(x);
  for (let i: usize = 16; i < 128; i += 16) m = f32x4.pmin(m, v128.load(x + i));
  m = f32x4.pmin(m, v128.shuffle<i32>(m, m, 2, 3, 0, 1));
  return min(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1));
}

/** The first of the values equal to `value`: of zeros it has its own sign. */
function firstEqual(x: usize, value: f32): f32 {
  let at = x;
  while (load<f32>(at) != value) at += 4;
  return load<f32>(at);
}

/** The value of largest magnitude, the first of equals; 0 for zeros. */
// @ts-ignore: decorator
@inline function extreme(x: usize): f32 {
  const high = maxOf(x), low = minOf(x);
  if (high > -low) return high;
  if (-low > high) return low;
  if (high == 0) return 0;
  let at = x;
  while (abs(load<f32>(at)) != high) at += 4;
  return load<f32>(at);
}

/** 1 / d; 0 where d is 0 or so small that it has no inverse: ggml's integers are all 0 then. */
// @ts-ignore: decorator
@inline function inverseOf(d: f32): f32 {
  const inverse: f32 = d != 0 ? 1 / d : 0;
  return abs(inverse) == Infinity ? 0 : inverse;
}

// @ts-ignore: decorator
@inline function hasInverse(d: f32): bool {
  return d == 0 || abs(<f32>1 / d) != Infinity;
}

/** Sixteen columns at x as bytes of 0..most: (x - offset) * inverse + half, cut off. */
// @ts-ignore: decorator
@inline function integers(x: usize, offset: v128, inverse: v128, half: v128, most: i32): v128 {
  const a = i16x8.narrow_i32x4_s(integer(x, offset, inverse, half), integer(x + 16, offset, inverse, half));
  const b = i16x8.narrow_i32x4_s(integer(x + 32, offset, inverse, half), integer(x + 48, offset, inverse, half));
  return i8x16.min_u(i8x16.narrow_i16x8_u(a, b), i8x16.splat(<i8>most));
}

// @ts-ignore: decorator
@inline function integer(x: usize, offset: v128, inverse: v128, half: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), offset), inverse), half));
}

/** Bits 4 of the bytes, one bit each. */
// @ts-ignore: decorator
@inline function fifthBits(bytes: v128): u32 {
  return i8x16.bitmask(i8x16.shl(bytes, 3));
}

/** Blocks without a minimum, of 4 or 5 bits: d = extreme / -offset, integers x / d + offset. */
// @ts-ignore: decorator
@inline function quantizeSigned(x: usize, blocks: i32, to: usize, five: bool): void {
  const offset = five ? 16 : 8, zero = f32x4.splat(0), half = f32x4.splat(<f32>offset + <f32>0.5);
  for (; blocks > 0; blocks--) {
    const d = extreme(x) / <f32>-offset, inverse = f32x4.splat(inverseOf(d));
    let low = integers(x, zero, inverse, half, 2 * offset - 1), high = integers(x + 64, zero, inverse, half, 2 * offset - 1);
    if (!hasInverse(d)) {
      low = i8x16.splat(0);
      high = low;
    }
    store<u16>(to, toF16(d));
    to = storeIntegers(to + 2, low, high, five);
    x += 128;
  }
}

/** Fifth bits, where there are, and nibbles; returns the next address. */
// @ts-ignore: decorator
@inline function storeIntegers(to: usize, low: v128, high: v128, five: bool): usize {
  if (five) {
    store<u32>(to, fifthBits(low) | (fifthBits(high) << 16));
    low = v128.and(low, i8x16.splat(15));
    to += 4;
  }
  v128.store(to, v128.or(low, i8x16.shl(high, 4)));
  return to + 16;
}

/** Bytes of 32 integers, in the order of columns, to what follows a block's scale. */
export function packBlock32(from: usize, to: usize, five: bool): void {
  storeIntegers(to, v128.load(from), v128.load(from, 16), five);
}

/** Blocks with a minimum, of 4 or 5 bits: d = range / most, integers (x - minimum) / d. */
// @ts-ignore: decorator
@inline function quantizeRange(x: usize, blocks: i32, to: usize, five: bool): void {
  const most = five ? 31 : 15, half = f32x4.splat(0.5);
  for (; blocks > 0; blocks--) {
    let low = minOf(x), high = maxOf(x);
    if (low == 0) low = firstEqual(x, 0);
    if (high == 0) high = firstEqual(x, 0);
    const d = (high - low) / <f32>most, inverse = f32x4.splat(inverseOf(d)), offset = f32x4.splat(low);
    let a = integers(x, offset, inverse, half, most), b = integers(x + 64, offset, inverse, half, most);
    if (!hasInverse(d)) {
      a = i8x16.splat(0);
      b = a;
    }
    store<u16>(to, toF16(d));
    store<u16>(to, toF16(low), 2);
    to = storeIntegers(to + 4, a, b, five);
    x += 128;
  }
}

export function quantizeQ40(x: usize, blocks: i32, to: usize): void {
  quantizeSigned(x, blocks, to, false);
}

export function quantizeQ50(x: usize, blocks: i32, to: usize): void {
  quantizeSigned(x, blocks, to, true);
}

export function quantizeQ41(x: usize, blocks: i32, to: usize): void {
  quantizeRange(x, blocks, to, false);
}

export function quantizeQ51(x: usize, blocks: i32, to: usize): void {
  quantizeRange(x, blocks, to, true);
}

/** Rounds to the nearest integer, halves away from zero. */
// @ts-ignore: decorator
@inline function roundAway(x: v128): v128 {
  const whole = f32x4.trunc(x), fraction = f32x4.abs(f32x4.sub(x, whole));
  const one = v128.or(f32x4.splat(1), v128.and(x, f32x4.splat(-0)));
  return i32x4.trunc_sat_f32x4_s(f32x4.add(whole, v128.and(f32x4.ge(fraction, f32x4.splat(0.5)), one)));
}

export function quantizeQ80(x: usize, blocks: i32, to: usize): void {
  for (; blocks > 0; blocks--) {
    const d = max(maxOf(x), -minOf(x)) / 127, inverse = f32x4.splat(inverseOf(abs(d)));
    store<u16>(to, toF16(abs(d)));
    for (let i: usize = 0; i < 32; i += 16) {
      const p = x + (i << 2);
      const a = roundAway(f32x4.mul(v128.load(p), inverse)), b = roundAway(f32x4.mul(v128.load(p, 16), inverse));
      const c = roundAway(f32x4.mul(v128.load(p, 32), inverse)), e = roundAway(f32x4.mul(v128.load(p, 48), inverse));
      v128.store(to + 2 + i, i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, e)));
    }
    to += 34;
    x += 128;
  }
}
