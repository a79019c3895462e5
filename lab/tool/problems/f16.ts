/** 16-bit floating point numbers, finite and normal ones or 0: all that the lab's scales and minimums need. */
const word = new DataView(new ArrayBuffer(4));

/** The nearest f16; the magnitude must be 0 or 2^-14 .. 65504. */
export function toF16(x: number): number {
  word.setFloat32(0, x);
  const bits = word.getUint32(0);
  const magnitude = bits & 0x7fffffff;
  if (magnitude === 0) return bits >>> 16;
  return ((bits >>> 16) & 0x8000) | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

export function fromF16(bits: number): number {
  if ((bits & 0x7fff) === 0) return 0;
  word.setUint32(0, ((bits & 0x8000) << 16) | (((bits & 0x7fff) << 13) + 0x38000000));
  return word.getFloat32(0);
}
