/** 16-bit floating point numbers: 1 sign bit, 5 bits of exponent, 10 of mantissa. WebAssembly knows only f32. */

/** 2^112: what is missing in the exponent when the bits of an f16 are shifted into an f32. */
const SCALE_UP: f32 = reinterpret<f32>(0x77800000);

/**
 * Sign and mantissa with exponent, once the f16 was widened with its sign and shifted. In memory, for a load is one
 * instruction, while V8 of Node 24 and later builds a vector constant anew wherever it is used.
 */
// @ts-ignore: decorator
@lazy const MASK: usize = memory.data<u32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000], 16);

/** The f16 at `address` as f32; exact for every finite number, and the lab's weights are finite. */
// @ts-ignore: decorator
@inline export function f16(address: usize): f32 {
  const bits = load<u16>(address);
  const magnitude = reinterpret<f32>((<u32>bits & 0x7fff) << 13) * SCALE_UP;
  return reinterpret<f32>(reinterpret<u32>(magnitude) | ((<u32>bits & 0x8000) << 16));
}

/** The four f16 at `address` as f32x4. */
// @ts-ignore: decorator
@inline export function f16x4(address: usize): v128 {
  const bits = v128.and(i32x4.shl(v128.load16x4_s(address), 13), i32x4.splat(0x8fffe000));
  return f32x4.mul(bits, f32x4.splat(SCALE_UP));
}
