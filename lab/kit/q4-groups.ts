/**
 * 4-bit weights, 8 rows interleaved: the layout of the stages from 05 on. The engine's Q4_1 (assembly/quant/q4_1.ts).
 *
 *   one block of 8 rows x 32 columns, 160 bytes; weight = scale * q + minimum, q of 0..15
 *
 *   0               16               32                                            160
 *   ├─ 8 scales ────┼─ 8 minimums ───┼─ 8 vectors of 16 bytes ──────────────────────┤
 *     f16, per row    f16, per row
 *
 *   vector (i, v) at 32 + 32 i + 16 v, i = 0..3, v = 0 (rows 0..3) or 1 (rows 4..7):
 *
 *     byte          0        1        2        3      4 ..            15
 *     row          4v       4v       4v       4v    4v+1 ..          4v+3
 *     low nibble   4i     4i+1     4i+2     4i+3      4i ..          4i+3     <- columns
 *     high nibble  the same + 16
 *
 *   matrix: group 0 (rows 0..7): block block ..  group 1 (rows 8..15): ..
 */
import { BLOCK } from './activations';
import { f16x4 } from './f16';

/** Rows in a group; the number of rows of every matrix of the lab is a multiple of it. */
export const GROUP_ROWS = 8;
export const BLOCK_BYTES: usize = 160;

/** Bytes from one group of 8 rows to the next. */
// @ts-ignore: decorator
@inline export function groupBytes(columns: i32): usize {
  return <usize>(columns / BLOCK) * BLOCK_BYTES;
}

/** The scales of rows 4v .. 4v + 3 of the block at `w`, f32x4. */
// @ts-ignore: decorator
@inline export function scales(w: usize, v: i32): v128 {
  return f16x4(w + (<usize>v << 3));
}

/** The minimums of rows 4v .. 4v + 3 of the block at `w`, f32x4. */
// @ts-ignore: decorator
@inline export function minimums(w: usize, v: i32): v128 {
  return f16x4(w + 16 + (<usize>v << 3));
}

/** Vector (i, v) of the block at `w`, nibbles still packed. */
// @ts-ignore: decorator
@inline export function packed(w: usize, i: i32, v: i32): v128 {
  return v128.load(w + 32 + (<usize>i << 5) + (<usize>v << 4));
}
