/**
 * W8A8: 8-bit weights, 8-bit activations, in the style of SmoothQuant's OPT models. One scale for a whole row of
 * weights and one for a whole token of activations, so the inner loop is integers from end to end.
 *
 *   one row of weights, 16 + columns bytes            one token of activations, 16 + columns bytes
 *   0        4       8          16                    0        4           16
 *   ├─ scale ┼─ bias ┼─ unused ─┼─ i8 .. ─┤           ├─ scale ┼─ unused ──┼─ i8 .. ─┤
 *     f32      f32                                      f32
 *
 *   output[row] = bias + (row's scale * token's scale) * sum of products
 *
 * The number of columns is a multiple of 32. A sum of products fits in 32 bits up to 130,000 columns.
 */
export const HEADER: usize = 16;
/** Where the bias lies in a row of weights; the scale comes first, in both. */
export const BIAS: usize = 4;

/** Bytes from one row (or token) to the next. */
// @ts-ignore: decorator
@inline export function stride(columns: i32): usize {
  return HEADER + <usize>columns;
}
