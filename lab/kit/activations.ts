/**
 * Activations: the vector that the weights are multiplied with, quantized to 8 bits in blocks of 32. They are the
 * engine's own (src: assembly/quant/activations.ts), so a kernel of the lab can be plugged into it.
 *
 *   one block of 32 values, 48 bytes; value k = scale * q[k]
 *
 *   0                               32         36            40          48
 *   ├── q[0] .. q[31], i8 each ─────┼── scale ──┼── sum ──────┼── unused ─┤
 *                                    f32         f32 = scale * (q[0] + .. + q[31])
 *
 * The blocks of a token follow one another, and so do the tokens.
 */

/** Values in a block, of activations and of weights. */
export const BLOCK = 32;
export const X_BYTES: usize = 48;
export const X_SCALE: usize = 32;
export const X_SUM: usize = 36;

/** Bytes from one token's activations to the next one's. */
// @ts-ignore: decorator
@inline export function xStride(columns: i32): usize {
  return <usize>(columns / BLOCK) * X_BYTES;
}
