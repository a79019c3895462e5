/** The 6-bit integer scales of the K formats, as ggml packs them. */

/** Scale of block 0..7 of Q4_K and Q5_K: 12 bytes at p hold eight scales and eight minimums. */
// @ts-ignore: decorator
@inline export function scale6(p: usize, block: usize): u8 {
  return block < 4 ? load<u8>(p + block) & 63 : (load<u8>(p + block, 4) & 15) | ((load<u8>(p + block - 4) >> 6) << 4);
}

/** Minimum of block 0..7 of Q4_K and Q5_K. */
// @ts-ignore: decorator
@inline export function minimum6(p: usize, block: usize): u8 {
  return block < 4 ? load<u8>(p + block, 4) & 63 : (load<u8>(p + block, 4) >> 4) | ((load<u8>(p + block) >> 6) << 4);
}

/** Scale - 32 of run 0..15 of Q3_K: 12 bytes at p hold 16 low nibbles, then 16 high bit pairs. */
// @ts-ignore: decorator
@inline export function scale3(p: usize, run: usize): i8 {
  const low = run < 8 ? load<u8>(p + run) & 15 : load<u8>(p + run - 8) >> 4;
  const high = (load<u8>(p + 8 + (run & 3)) >> <u8>((run >> 2) << 1)) & 3;
  return <i8>(low | (high << 4)) - 32;
}
