/** f32 to the 16-bit formats, rounded to nearest even. */

/** f32 to f16; what is too large becomes infinite. */
export function toF16(x: f32): u32 {
  const bits = reinterpret<u32>(x);
  const sign = (bits >> 16) & 0x8000;
  let magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 leaves the rounded value in the low bits of the fraction.
    return sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + <f32>0.5) - 0x3f000000);
  }
  // A carry out of the fraction goes into the exponent, from the largest value to infinity.
  magnitude += 0xfff + ((magnitude >> 13) & 1);
  return sign | ((magnitude - 0x38000000) >> 13);
}

/** Four f32 as f16 in the low halves of the lanes. */
// @ts-ignore: decorator
@inline export function toF16x4(x: v128): v128 {
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const rounded = i32x4.add(magnitude, i32x4.add(odd, i32x4.splat(0xfff)));
  const normal = i32x4.shr_u(i32x4.sub(rounded, i32x4.splat(0x38000000)), 13);
  const subnormal = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const finite = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)));
  const large = i32x4.ge_s(magnitude, i32x4.splat(0x47800000));
  return v128.or(sign, v128.bitselect(i32x4.splat(0x7c00), finite, large));
}

/** Four f32 as bf16 in the low halves of the lanes. */
// @ts-ignore: decorator
@inline export function toBF16x4(x: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  return i32x4.shr_u(i32x4.add(x, i32x4.add(odd, i32x4.splat(0x7fff))), 16);
}

/** Rows of `n` (any number) f32 to 16 bits each. */
export function storeF16(x: usize, n: i32, to: usize): void {
  const end = x + ((<usize>n & ~7) << 2);
  for (; x < end; x += 32) {
    v128.store(to, i16x8.narrow_i32x4_u(toF16x4(v128.load(x)), toF16x4(v128.load(x, 16))));
    to += 16;
  }
  for (let i = n & 7; i > 0; i--) {
    store<u16>(to, toF16(load<f32>(x)));
    x += 4;
    to += 2;
  }
}

export function storeBF16(x: usize, n: i32, to: usize): void {
  const end = x + ((<usize>n & ~7) << 2);
  for (; x < end; x += 32) {
    v128.store(to, i16x8.narrow_i32x4_u(toBF16x4(v128.load(x)), toBF16x4(v128.load(x, 16))));
    to += 16;
  }
  for (let i = n & 7; i > 0; i--) {
    store<u16>(to, i32x4.extract_lane(toBF16x4(v128.load32_splat(x)), 0));
    x += 4;
    to += 2;
  }
}
