/** Elementary functions on four f32 at once. */
import { madd } from '../isa';

// Constants in memory: V8 builds a v128 constant anew at every use (see isa.ts). Repeated by the load, they may serve
// two vectors that V8 joins to one.
// @ts-ignore: decorator
@lazy const EXP: usize = memory.data<f32>([
  88, -87,
  1.44269504, // 1 / ln 2
  12582912, // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  -0.693359375, 2.12194440e-4, // -ln 2, in two parts
  1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, // the polynomial
  1,
], 4);

// @ts-ignore: decorator
@inline function constant(i: usize): v128 {
  return v128.load32_splat(EXP + (i << 2));
}

/**
 * e^x to about 2 units in the last place: Cody-Waite reduction by ln 2 in two parts, then the degree-5
 * polynomial of Cephes' expf. Exactly 1 at 0; clamped to [e^-87, e^88], so it never gives Inf, 0 or a
 * subnormal. NaN stays NaN: pmin and pmax return their first operand then.
 */
// @ts-ignore: decorator
@inline export function exp4(x: v128): v128 {
  const c = f32x4.pmax(f32x4.pmin(x, constant(0)), constant(1));
  const shifted = f32x4.add(f32x4.mul(c, constant(2)), constant(3));
  const n = f32x4.sub(shifted, constant(3));
  const one = constant(12);
  const r = madd(n, constant(5), madd(n, constant(4), c));
  let p = madd(constant(6), r, constant(7));
  p = madd(p, r, constant(8));
  p = madd(p, r, constant(9));
  p = madd(p, r, constant(10));
  p = madd(p, r, constant(11));
  p = madd(p, f32x4.mul(r, r), f32x4.add(r, one));
  // 2^n: the bits of `shifted` end in n, which goes into the exponent of 1.
  return f32x4.mul(p, i32x4.add(i32x4.shl(shifted, 23), one));
}

/** x / (1 + e^-x) */
// @ts-ignore: decorator
@inline export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(constant(12), exp4(f32x4.neg(x))));
}

/** tanh(x) = 1 - 2 / (1 + e^2x) */
// @ts-ignore: decorator
@inline export function tanh4(x: v128): v128 {
  const e = exp4(f32x4.add(x, x));
  return f32x4.sub(f32x4.splat(1), f32x4.div(f32x4.splat(2), f32x4.add(f32x4.splat(1), e)));
}

/**
 * GELU as it is defined: x times the normal distribution's cumulative function. Its lower tail is
 * erfc(|x| / sqrt 2) / 2, from Abramowitz and Stegun 7.1.26: absolute error 1.5e-7, and no cancellation.
 */
// @ts-ignore: decorator
@inline export function geluErf4(x: v128): v128 {
  const z = f32x4.mul(f32x4.abs(x), f32x4.splat(0.70710678));
  const t = f32x4.div(f32x4.splat(1), madd(z, f32x4.splat(0.3275911), f32x4.splat(1)));
  let p = madd(t, f32x4.splat(1.061405429), f32x4.splat(-1.453152027));
  p = madd(p, t, f32x4.splat(1.421413741));
  p = madd(p, t, f32x4.splat(-0.284496736));
  p = madd(p, t, f32x4.splat(0.254829592));
  const tail = f32x4.mul(f32x4.mul(f32x4.mul(p, t), f32x4.splat(0.5)), exp4(f32x4.neg(f32x4.mul(z, z))));
  const below = f32x4.lt(x, f32x4.splat(0));
  return f32x4.mul(x, v128.bitselect(tail, f32x4.sub(f32x4.splat(1), tail), below));
}

/** GELU in its tanh form: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
// @ts-ignore: decorator
@inline export function gelu4(x: v128): v128 {
  const cube = f32x4.mul(f32x4.mul(f32x4.mul(x, x), x), f32x4.splat(0.044715));
  const t = tanh4(f32x4.mul(f32x4.splat(0.7978845608028654), f32x4.add(x, cube)));
  return f32x4.mul(f32x4.mul(f32x4.splat(0.5), x), f32x4.add(f32x4.splat(1), t));
}
