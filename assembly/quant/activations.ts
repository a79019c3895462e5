/**
 * Quantized activations: what the integer kernels multiply weights with. One row per token, blocks of 32.
 *
 *   int8 block, 48 bytes                         int16 block, 80 bytes (for formats with 8-bit signed weights;
 *                                                with a dot of signed bytes (signedDot in isa.ts) int8
 *                                                blocks, one after another, stand in their place)
 *   0   32 x i8   q                              0   32 x i16  q, the same values of -127..127
 *   32  f32       d: x = d * q                   64  f32       d
 *   36  f32       d * sum(q)                     68  unused
 *   40  sums      of q over all 32
 *   44  sums      the same over k = 0..15
 *
 * Sums are as the variant's dotStep adds: one i32 for dot4, else an i16 pair, over k = 0,1 and k = 2,3 mod 4.
 *
 * Each block has its own d, but where the file prescribes one for all (quantizeRowBy): then -128 occurs too.
 *
 * d is max|x| / 127 and stays f32 (ggml rounds it to f16), but where it would be 2^16 or more it is Infinity, as an
 * f16 would be: kernels multiply it with 2^112 (f16Bits in isa.ts).
 */
import { DOT4, LEAST, LEAST_DYNAMIC, LEAST_STATIC, ONES_I16, maxLanes, signedDot } from '../isa';

export const X8_BYTES = 48;
export const X8_SCALE = 32;
export const X8_SUM = 36;
export const X8_SUMS = 40;
export const X8_SUMS_LOW = 44;
export const X16_BYTES = 80;
export const X16_SCALE = 64;

/** From here on a block's scale is Infinity. */
const MOST: f32 = 127 * 65536;

// @ts-ignore: decorator
@inline function absMax(x: usize): f32 {
  const a = f32x4.max(f32x4.abs(v128.load(x)), f32x4.abs(v128.load(x, 16)));
  const b = f32x4.max(f32x4.abs(v128.load(x, 32)), f32x4.abs(v128.load(x, 48)));
  const c = f32x4.max(f32x4.abs(v128.load(x, 64)), f32x4.abs(v128.load(x, 80)));
  const d = f32x4.max(f32x4.abs(v128.load(x, 96)), f32x4.abs(v128.load(x, 112)));
  return maxLanes(f32x4.max(f32x4.max(a, b), f32x4.max(c, d)));
}

/** 1.5 * 2^23: a sum with it ends in the nearest integer, ties to even. */
// @ts-ignore: decorator
@lazy const ROUND: usize = memory.data<f32>([12582912, 12582912, 12582912, 12582912], 16);

/** Four activations at x times `inverse`, within -127..127, as i32x4: two instructions where x86 takes eight to convert. */
// @ts-ignore: decorator
@inline function round4(x: usize, inverse: v128): v128 {
  const round = v128.load(ROUND);
  return i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), inverse), round), round);
}

/** Eight activations at x as i16x8. */
// @ts-ignore: decorator
@inline function round8(x: usize, inverse: v128): v128 {
  return i16x8.narrow_i32x4_s(round4(x, inverse), round4(x + 16, inverse));
}

/** The i16 pair of sums of 16 activations, in lane 0 as two i16. */
// @ts-ignore: decorator
@inline function pairSums(a: v128, b: v128): v128 {
  // [k01, k23, k01, k23] as i32x4, then both halves together.
  const sums = i32x4.dot_i16x8_s(i16x8.add(a, b), v128.load(ONES_I16));
  const both = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
  return i16x8.narrow_i32x4_s(both, both);
}

/**
 * Quantizes one row of `n` (a multiple of 32) f32 at x into int8 blocks at `to8` and int16 blocks at `to16`;
 * either may be 0. A NaN or an infinite value anywhere in a block makes its scale NaN, so that it cannot pass unseen.
 */
export function quantizeRow(x: usize, n: i32, to8: usize, to16: usize): void {
  if (VARIANT == DOT4 && to16 && signedDot(LEAST_DYNAMIC)) {
    quantizeBlocks(x, n, to16, 0);
    if (to8) memory.copy(to8, to16, <usize>(n >> 5) * X8_BYTES);
  } else {
    quantizeBlocks(x, n, to8, to16);
  }
}

function quantizeBlocks(x: usize, n: i32, to8: usize, to16: usize): void {
  const end = x + (<usize>n << 2);
  while (x < end) {
    const largest = absMax(x);
    // An infinite value makes NaN, as a NaN does: what it is rounded to means nothing.
    const scale = largest >= MOST ? <f32>Infinity + (largest - largest) : largest / 127;
    // Below that, 127 / largest would be infinite: such a block counts as zero.
    const inverse = f32x4.splat(largest > LEAST ? 127 / largest : 0);
    const a = round8(x, inverse);
    const b = round8(x + 32, inverse);
    const c = round8(x + 64, inverse);
    const d = round8(x + 96, inverse);
    if (to8) {
      v128.store(to8, i8x16.narrow_i16x8_s(a, b));
      v128.store(to8, i8x16.narrow_i16x8_s(c, d), 16);
      const low = pairSums(a, b);
      const all = i16x8.add(low, pairSums(c, d));
      const sum = <i32>i16x8.extract_lane_s(all, 0) + <i32>i16x8.extract_lane_s(all, 1);
      store<f32>(to8, scale, X8_SCALE);
      store<f32>(to8, scale * <f32>sum, X8_SUM);
      if (VARIANT == DOT4) {
        store<i32>(to8, sum, X8_SUMS);
        store<i32>(to8, <i32>i16x8.extract_lane_s(low, 0) + <i32>i16x8.extract_lane_s(low, 1), X8_SUMS_LOW);
      } else {
        store<i32>(to8, i32x4.extract_lane(all, 0), X8_SUMS);
        store<i32>(to8, i32x4.extract_lane(low, 0), X8_SUMS_LOW);
      }
      to8 += X8_BYTES;
    }
    if (to16) {
      v128.store(to16, a);
      v128.store(to16, b, 16);
      v128.store(to16, c, 32);
      v128.store(to16, d, 48);
      store<f32>(to16, scale, X16_SCALE);
      to16 += X16_BYTES;
    }
    x += 128;
  }
}

/** Eight values at x over `steps` as i16x8, rounded to the nearest, ties to even, and clipped to int8. */
// @ts-ignore: decorator
@inline function clip8(x: usize, steps: v128): v128 {
  const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(x), steps)));
  const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v128.load(x, 16), steps)));
  const whole = i16x8.narrow_i32x4_s(low, high);
  return i16x8.extend_low_i8x16_s(i8x16.narrow_i16x8_s(whole, whole));
}

/** Whether 32 values at x are all finite: the others are not 0 when multiplied with 0. */
// @ts-ignore: decorator
@inline function finite(x: usize): bool {
  let zero = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 16) zero = f32x4.add(zero, f32x4.mul(v128.load(x + i), f32x4.splat(0)));
  return i32x4.all_true(f32x4.eq(zero, f32x4.splat(0)));
}

/**
 * Quantizes one row of `n` (a multiple of 32) f32 at x into int16 blocks at `to`, with one scale for all that is known
 * beforehand: x = scale * q, where q is clipped to -128..127. A value of a block that is not finite makes its d NaN.
 */
export function quantizeRowBy(x: usize, n: i32, to: usize, scale: f32): void {
  const steps = f32x4.splat(scale);
  const signed = signedDot(LEAST_STATIC);
  for (const end = x + (<usize>n << 2); x < end; x += 128) {
    const a = clip8(x, steps), b = clip8(x + 32, steps), c = clip8(x + 64, steps), d = clip8(x + 96, steps);
    const kept: f32 = finite(x) ? scale : NaN;
    if (signed) {
      // I8's dots start from nothing and have no minimum: the blocks' sums are not read.
      v128.store(to, i8x16.narrow_i16x8_s(a, b));
      v128.store(to, i8x16.narrow_i16x8_s(c, d), 16);
      store<f32>(to, kept, X8_SCALE);
      to += X8_BYTES;
    } else {
      v128.store(to, a); v128.store(to, b, 16); v128.store(to, c, 32); v128.store(to, d, 48);
      store<f32>(to, kept, X16_SCALE);
      to += X16_BYTES;
    }
  }
}
