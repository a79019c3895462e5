/** Stores an f16 scale; not 0: it is NaN or infinite, which kernels would take for a finite number. */
// @ts-ignore: decorator
@inline export function storeScale(address: usize, bits: u32): u32 {
  store<u16>(address, bits);
  return u32((bits & 0x7c00) == 0x7c00);
}
