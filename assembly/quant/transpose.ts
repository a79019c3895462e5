/**
 * Transposed matrices: rows of ggml blocks, as files hold them, into the run-time layout of an F32 matrix whose columns
 * they are (float.ts). For projections that a model applies the other way round; once, while loading.
 */

/**
 * Rows `first` .. first + rows - 1 of a matrix of `columns` columns become columns of the F32 groups at `to`, `toBytes`
 * each. `repack` and `dequantize` are table indices of the file's format. Scratch: groupBytes (one group of 8 rows of
 * `units` units), then a row of f32, then 16 bytes. Not 0: there are NaN or infinite values.
 */
export function transposeRows(
  repack: u32, dequantize: u32, from: usize, rowBytes: usize, first: i32, rows: i32, columns: i32, units: i32, groupBytes: usize,
  to: usize, toBytes: usize, scratch: usize,
): u32 {
  const row = scratch + groupBytes, spare = row + (<usize>columns << 2);
  let bad: u32 = 0;
  for (let start = 0; start < rows; start += 8) {
    const count = min(8, rows - start);
    memory.fill(scratch, 0, groupBytes);
    bad |= call_indirect<u32>(repack, from + <usize>start * rowBytes, rowBytes, count, scratch, units);
    for (let r = 0; r < count; r++) {
      call_indirect<void>(dequantize, scratch, r, row, units, spare);
      const at = to + (<usize>(first + start + r) << 5);
      for (let c: usize = 0; c < <usize>columns; c++) {
        store<f32>(at + (c >> 3) * toBytes + ((c & 7) << 2), load<f32>(row + (c << 2)));
      }
    }
  }
  return bad;
}
