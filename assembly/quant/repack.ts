/** Repacking: rows of ggml blocks, as files hold them, into groups of 8 rows. */

export abstract class Packed {
  /** Bytes of one block in the file. */
  abstract get fileBytes(): usize;
  /** Writes the file's block at `from` as row `r` of the group's block at `to`; not 0: a scale is NaN or infinite. */
  abstract pack(from: usize, to: usize, r: usize): u32;
}

/**
 * Rewrites `rows` (1..8) rows, rowBytes apart, of `count` file blocks each, as one group of blocks of `bytes`; the
 * places of rows that there are not stay as they are. Not 0: a scale is NaN or infinite.
 */
// @ts-ignore: decorator
@inline export function repackRows<F extends Packed>(
  from: usize, rowBytes: usize, rows: i32, to: usize, count: i32, bytes: usize,
): u32 {
  const f = changetype<F>(0);
  let bad: u32 = 0;
  for (let b = 0; b < count; b++) {
    for (let r: usize = 0; r < <usize>rows; r++) bad |= f.pack(from + r * rowBytes, to, r);
    from += f.fileBytes;
    to += bytes;
  }
  return bad;
}

/** Stores an f16 scale; not 0: it is NaN or infinite, which kernels would take for a finite number. */
// @ts-ignore: decorator
@inline export function storeScale(address: usize, bits: u32): u32 {
  store<u16>(address, bits);
  return u32((bits & 0x7c00) == 0x7c00);
}
