/** The 6-bit integer scales of the K formats, as ggml packs them. */
import { DOT4 } from '../isa';
import { storeScale } from './repack';


/** The scales of the blocks of Q4_K and Q5_K, a byte each; 12 bytes at p hold eight scales and eight minimums. */
// @ts-ignore: decorator
@inline function scales6(p: usize): u64 {
  const a: u32 = load<u32>(p), c: u32 = load<u32>(p, 8);
  return <u64>(a & 0x3f3f3f3f) | (<u64>((c & 0x0f0f0f0f) | ((a >> 2) & 0x30303030)) << 32);
}

/** Their minimums. */
// @ts-ignore: decorator
@inline function minimums6(p: usize): u64 {
  const b: u32 = load<u32>(p, 4), c: u32 = load<u32>(p, 8);
  return <u64>(b & 0x3f3f3f3f) | (<u64>(((c >> 4) & 0x0f0f0f0f) | ((b >> 2) & 0x30303030)) << 32);
}

/**
 * What Q4_K and Q5_K have before their weights (f16 d, f16 dmin, scales, minimums), as row r of a super-block of a group
 * whose blocks take blockBytes. Not 0: d or dmin is NaN or infinite.
 */
// @ts-ignore: decorator
@inline export function packAffine(from: usize, to: usize, r: usize, blockBytes: usize): u32 {
  let scales = scales6(from + 4), minimums = minimums6(from + 4), w = to + 32 + r;
  for (const end = w + 8 * blockBytes; w < end; w += blockBytes) {
    store<u8>(w, <u8>scales);
    store<u8>(w, <u8>minimums, 8);
    scales >>= 8;
    minimums >>= 8;
  }
  return storeScale(to + (r << 1), load<u16>(from)) | storeScale(to + 16 + (r << 1), load<u16>(from, 2));
}

/** Scale - 32 of run 0..15 of Q3_K: 12 bytes at p hold 16 low nibbles, then 16 high bit pairs. */
// @ts-ignore: decorator
@inline export function scale3(p: usize, run: usize): i8 {
  const low = run < 8 ? load<u8>(p + run) & 15 : load<u8>(p + run - 8) >> 4;
  const high = (load<u8>(p + 8 + (run & 3)) >> <u8>((run >> 2) << 1)) & 3;
  return <i8>(low | (high << 4)) - 32;
}

// [scales: 8 x u8][minimums: 8 x u8] of a block of 8 rows, as i16x8. x86 widens what it loads, ARM shares the load.

// @ts-ignore: decorator
@inline export function blockScales(w: usize): v128 {
  return VARIANT == DOT4 ? i16x8.extend_low_i8x16_u(v128.load(w)) : v128.load8x8_u(w);
}

// @ts-ignore: decorator
@inline export function blockMinimums(w: usize): v128 {
  return VARIANT == DOT4 ? i16x8.extend_high_i8x16_u(v128.load(w)) : v128.load8x8_u(w + 8);
}
