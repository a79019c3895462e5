/**
 * 4-bit weights, row by row: the layout of the stages 00 to 04. It is what a GGUF file of type Q4_1 holds.
 *
 *   one block of 32 weights, 20 bytes; weight k = scale * q[k] + minimum, q[k] of 0..15
 *
 *   0        2          4                                                      20
 *   ├─ scale ┼─ minimum ┼─ 16 bytes: byte j has q[j] in its low nibble ────────┤
 *     f16      f16                       and q[j + 16] in its high nibble
 *
 *   matrix: row 0: block block block ..  row 1: block block block ..  (columns / 32 blocks to a row)
 */
import { BLOCK } from './activations';
import { f16 } from './f16';

export const BLOCK_BYTES: usize = 20;
/** Where a block's nibbles begin. */
export const NIBBLES: usize = 4;

/** Bytes from one row to the next. */
// @ts-ignore: decorator
@inline export function rowBytes(columns: i32): usize {
  return <usize>(columns / BLOCK) * BLOCK_BYTES;
}

/** The scale of the block at `w`. */
// @ts-ignore: decorator
@inline export function scale(w: usize): f32 {
  return f16(w);
}

/** The minimum of the block at `w`. */
// @ts-ignore: decorator
@inline export function minimum(w: usize): f32 {
  return f16(w + 2);
}
