/**
 * The instruction set that kernels are written in: one source, three compile targets (asconfig.json).
 *
 *   VARIANT 0  simd   plain 128-bit SIMD: runs wherever WebAssembly SIMD does
 *   VARIANT 1  dot2   relaxed SIMD, i16x8 dot of two products: pmaddubsw on x86
 *   VARIANT 2  dot4   relaxed SIMD, i32x4 dot of four products: sdot on ARM, vpdpbusd on x86 with AVX-VNNI
 *
 * `if (VARIANT == ...)` is resolved at compile time; nothing of the other variants remains in a module.
 *
 * Constants come from memory (`memory.data`): V8 of Node 24 and later builds a v128 constant anew at every
 * use, while a load is one instruction. They are written by every instance that shares the memory, always
 * with the same bytes, so they must never hold state.
 */

export const SIMD = 0;
export const DOT2 = 1;
export const DOT4 = 2;

// @ts-ignore: decorator
@lazy export const ONES_I16: usize = memory.data<i16>([1, 1, 1, 1, 1, 1, 1, 1], 16);
// @ts-ignore: decorator
@lazy export const MASK_0F: usize = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15], 16);
// @ts-ignore: decorator
@lazy export const MASK_F0: usize = memory.data<u8>([240, 240, 240, 240, 240, 240, 240, 240, 240, 240, 240, 240, 240, 240, 240, 240], 16);
// @ts-ignore: decorator
@lazy export const MASK_10: usize = memory.data<u8>([16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16], 16);
// @ts-ignore: decorator
@lazy export const MASK_30: usize = memory.data<u8>([48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48], 16);
// @ts-ignore: decorator
@lazy export const MASK_03: usize = memory.data<u8>([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], 16);
// @ts-ignore: decorator
@lazy export const MASK_04: usize = memory.data<u8>([4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4], 16);
// @ts-ignore: decorator
@lazy export const MASK_0C: usize = memory.data<u8>([12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12], 16);
// @ts-ignore: decorator
@lazy export const MASK_3F: usize = memory.data<u8>([63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63], 16);
// @ts-ignore: decorator
@lazy const MASK_F16: usize = memory.data<u32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);

// @ts-ignore: decorator
@lazy const TIMES_2_13: usize = memory.data<i16>([8192, 8192, 8192, 8192, 8192, 8192, 8192, 8192], 16);

/** 2^112: what is missing in the exponent when the bits of an f16 are shifted into an f32. */
const F16_SCALE_UP: f32 = reinterpret<f32>(0x77800000);

/** table[i] per byte, for indices 0..15. */
// @ts-ignore: decorator
@inline export function lookUp(table: v128, i: v128): v128 {
  if (VARIANT != SIMD) return i8x16.relaxed_swizzle(table, i);
  return i8x16.swizzle(table, i);
}

/** a * b + c per f32 lane; fused where relaxed SIMD is. */
// @ts-ignore: decorator
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  if (VARIANT != SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * Adds, for each of four rows, the products of four int8 activations with four weights of 0..127.
 *
 *   x    4 activations k..k+3, repeated for each row
 *   w    [row 0: k k+1 k+2 k+3][row 1: ...][row 2: ...][row 3: ...]
 *   acc  dot4: i32x4, one sum per row
 *        else: i16x8, two sums per row (k, k+1 and k+2, k+3), which must not leave 16 bits at the end
 */
// @ts-ignore: decorator
@inline export function dotStep(acc: v128, x: v128, w: v128): v128 {
  if (VARIANT == DOT4) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, acc);
  return i16x8.add(acc, dotPairs(x, w));
}

/** The products of a dotStep, in variants of 16-bit sums. */
// @ts-ignore: decorator
@inline function dotPairs(x: v128, w: v128): v128 {
  if (VARIANT == DOT2) return i16x8.relaxed_dot_i8x16_i7x16_s(x, w);
  const even = i16x8.mul(i16x8.shr_s(i16x8.shl(x, 8), 8), v128.and(w, i16x8.splat(255)));
  const odd = i16x8.mul(i16x8.shr_s(x, 8), i16x8.shr_u(w, 8));
  return i16x8.add(even, odd);
}

/** What weights that are stored with `offset` added make too much of 16-bit sums; `sums`: of the activations (dotBias). */
// @ts-ignore: decorator
@inline export function surplus(sums: v128, offset: i32): v128 {
  if (offset & (offset - 1)) return i16x8.mul(sums, i16x8.splat(<i16>offset));
  return i16x8.shl(sums, ctz(offset));
}

/** The first step of 16-bit sums: instead of an addition to zero their surplus is taken away, or, without an offset, nothing. */
// @ts-ignore: decorator
@inline export function firstStep(x: v128, w: v128, offset: i32, less: v128): v128 {
  return offset ? i16x8.sub(dotPairs(x, w), less) : dotPairs(x, w);
}

/** Four steps. */
// @ts-ignore: decorator
@inline export function dotSteps(
  acc: v128, x0: v128, w0: v128, x1: v128, w1: v128, x2: v128, w2: v128, x3: v128, w3: v128,
): v128 {
  return dotStep(dotStep(dotStep(dotStep(acc, x0, w0), x1, w1), x2, w2), x3, w3);
}

/**
 * Whether dotStep of dot4 takes all 8 bits of a signed weight, for activations of `least` (-127 or -128) .. 127.
 * WebAssembly leaves it open: x86 takes the weight as unsigned. ARM's SDOT does for any activations; ARM without it
 * adds pairs of products in 16 bits, which hold all but two times -128 * -128.
 */
export function signedDot(least: i32): bool {
  return VARIANT == DOT4 && isSignedDot(least) && isSignedDot(127);
}

// @ts-ignore: decorator
@inline function isSignedDot(x: i32): bool {
  return i32x4.extract_lane(dotStep(i32x4.splat(0), i8x16.splat(<i8>x), i8x16.splat(-128)), 0) == 4 * x * -128;
}

/** `least` of activations that are quantized by their own largest, and by a scale that a file prescribes. */
export const LEAST_DYNAMIC = -127;
export const LEAST_STATIC = -128;

/** Sums of neighbouring 32-bit lanes of two accumulators of dotStep: [a0 + a1, a2 + a3, b0 + b1, b2 + b3]. */
// @ts-ignore: decorator
@inline export function pairwise(a: v128, b: v128): v128 {
  const even = v128.shuffle<i32>(a, b, 0, 2, 4, 6), odd = v128.shuffle<i32>(a, b, 1, 3, 5, 7);
  if (VARIANT == DOT4) return i32x4.add(even, odd);
  return i16x8.add(even, odd);
}

/** The row sums, i32x4, of an accumulator of dotStep. */
// @ts-ignore: decorator
@inline export function dotSum(acc: v128): v128 {
  if (VARIANT == DOT4) return acc;
  return i32x4.dot_i16x8_s(acc, v128.load(ONES_I16));
}

/** The row sums of 16 bits times the rows' integer scales, as laid out by twice. */
// @ts-ignore: decorator
@inline export function dotSumScaled(acc: v128, scales: v128): v128 {
  return i32x4.dot_i16x8_s(acc, scales);
}

/** Scales 4v .. 4v + 3 of eight i16 as dotSumScaled wants them, for variants of 16-bit sums. */
// @ts-ignore: decorator
@inline export function twice(eight: v128, v: i32): v128 {
  const four = v == 0 ? i32x4.extend_low_i16x8_u(eight) : i32x4.extend_high_i16x8_u(eight);
  return v128.or(four, i32x4.shl(four, 16));
}

/**
 * What dotStep starts from so that weights stored with `offset` added count without it: -offset times the
 * `sums` of the activations as their block carries them (activations.ts), splatted.
 */
// @ts-ignore: decorator
@inline export function dotBias(sums: v128, offset: i32): v128 {
  if (VARIANT == DOT4) return i32x4.mul(sums, i32x4.splat(-offset));
  return i16x8.mul(sums, i16x8.splat(<i16>-offset));
}

/** The sum of `sums`, i32x4. */
// @ts-ignore: decorator
@inline export function wholeSum(sums: v128): v128 {
  if (VARIANT == DOT4) return sums;
  return i32x4.dot_i16x8_s(sums, v128.load(ONES_I16));
}

/** The difference of two `sums`. */
// @ts-ignore: decorator
@inline export function sumsLess(a: v128, b: v128): v128 {
  if (VARIANT == DOT4) return i32x4.sub(a, b);
  return i16x8.sub(a, b);
}

// @ts-ignore: decorator
@lazy const F16_SCALE_UP_X4: usize = memory.data<f32>([F16_SCALE_UP, F16_SCALE_UP, F16_SCALE_UP, F16_SCALE_UP], 16);
/** 2^108. */
const F16_SCALE_UP_16TH: f32 = F16_SCALE_UP / 16;
// @ts-ignore: decorator
@lazy const F16_SCALE_UP_16TH_X4: usize = memory.data<f32>([F16_SCALE_UP_16TH, F16_SCALE_UP_16TH, F16_SCALE_UP_16TH, F16_SCALE_UP_16TH], 16);

/** f32x4 times 2^112: makes whole values of what f16Bits gives, or of a factor that meets it. */
// @ts-ignore: decorator
@inline export function scaleUp(x: v128): v128 {
  return f32x4.mul(x, v128.load(F16_SCALE_UP_X4));
}

/** A sixteenth of that, for the scales of weights that come times 16. */
// @ts-ignore: decorator
@inline export function scaleUp16th(x: v128): v128 {
  return f32x4.mul(x, v128.load(F16_SCALE_UP_16TH_X4));
}

/**
 * Four f16 of eight, the first (v = 0) or the last, as f32x4 times 2^-112: one multiplication short, which a
 * kernel does once per block, on the scale of the activations.
 */
// @ts-ignore: decorator
@inline export function f16Bits(eight: v128, v: i32): v128 {
  if (VARIANT == DOT4) return f16BitsBy(eight, v, v128.load(TIMES_2_13), v128.load(MASK_F16));
  if (v == 0) return v128.and(i32x4.shl(i32x4.extend_low_i16x8_s(eight), 13), v128.load(MASK_F16));
  return v128.and(i32x4.shl(i32x4.extend_high_i16x8_s(eight), 13), v128.load(MASK_F16));
}

// The constants of f16Bits, and the factor that completes it, for loops of dot4 that keep them in registers.

// @ts-ignore: decorator
@inline export function f16Up(): v128 {
  return VARIANT == DOT4 ? v128.load(TIMES_2_13) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline export function f16Mask(): v128 {
  return VARIANT == DOT4 ? v128.load(MASK_F16) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline export function f16Scale(): v128 {
  return VARIANT == DOT4 ? v128.load(F16_SCALE_UP_X4) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline export function f16BitsBy(eight: v128, v: i32, up: v128, mask: v128): v128 {
  return v128.and(v == 0 ? i32x4.extmul_low_i16x8_s(eight, up) : i32x4.extmul_high_i16x8_s(eight, up), mask);
}

/** Four f16 as f32x4: exact for all finite values, subnormal ones too. */
// @ts-ignore: decorator
@inline export function f16x4(address: usize): v128 {
  return scaleUp(v128.and(i32x4.shl(v128.load16x4_s(address), 13), v128.load(MASK_F16)));
}

/** One f16 as f32: exact, Inf and NaN too. */
// @ts-ignore: decorator
@inline export function f16ToF32(h: u32): f32 {
  const sign = (h & 0x8000) << 16;
  if ((h & 0x7c00) == 0x7c00) return reinterpret<f32>(sign | 0x7f800000 | ((h & 0x3ff) << 13));
  return reinterpret<f32>(sign | reinterpret<u32>(reinterpret<f32>((h & 0x7fff) << 13) * F16_SCALE_UP));
}

/** 2^-120: a block of activations whose largest is below counts as zero, for 127 / largest would be infinite. */
export const LEAST: f32 = reinterpret<f32>(0x03800000);

/** What f32ToF16 makes of NaN. */
export const F16_NAN: u32 = 0x7e00;

/** f32 to f16, rounded to nearest even; beyond the range it saturates at the largest finite f16. */
export function f32ToF16(x: f32): u32 {
  const bits = reinterpret<u32>(x);
  const sign = (bits >> 16) & 0x8000;
  let mag = bits & 0x7fffffff;
  if (mag >= 0x477ff000) return sign | (mag > 0x7f800000 ? F16_NAN : 0x7bff);
  if (mag < 0x38800000) {
    // Subnormal: adding 0.5 leaves the rounded value in the low mantissa bits.
    return sign | (reinterpret<u32>(reinterpret<f32>(mag) + <f32>0.5) - 0x3f000000);
  }
  mag += 0xfff + ((mag >> 13) & 1);
  return sign | ((mag - 0x38000000) >> 13);
}

/** Sum of four f32 lanes, always in the same order. */
// @ts-ignore: decorator
@inline export function sumLanes(v: v128): f32 {
  const pair = f32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

/** Largest of four f32 lanes. */
// @ts-ignore: decorator
@inline export function maxLanes(v: v128): f32 {
  const pair = f32x4.max(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
}
