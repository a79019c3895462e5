/** Repacking: rows of ggml blocks, as files hold them, into groups of 8 rows. */

import { storeVectors } from './planes';

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

/** Four rows' vectors of four words each, to transpose: word i of all rows. */
// @ts-ignore: decorator
@inline export function column(a: v128, b: v128, c: v128, d: v128, i: i32): v128 {
  if (i < 2) {
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    return i == 0 ? v128.shuffle<i64>(ab, cd, 0, 2) : v128.shuffle<i64>(ab, cd, 1, 3);
  }
  const ab = v128.shuffle<i32>(a, b, 2, 6, 3, 7), cd = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  return i == 2 ? v128.shuffle<i64>(ab, cd, 0, 2) : v128.shuffle<i64>(ab, cd, 1, 3);
}

/** The vector of row `r` at `from`, rows being rowBytes apart; zeros where there is no such row. */
// @ts-ignore: decorator
@inline function rowVector(from: usize, rowBytes: usize, rows: i32, r: i32): v128 {
  return r < rows ? v128.load(from + <usize>r * rowBytes) : i32x4.splat(0);
}

/** Words 0..3 of each of `rows` (1..8) rows, rowBytes apart: word i of all rows, 32 bytes, at to + 32i. */
// @ts-ignore: decorator
@inline export function interleave(from: usize, rowBytes: usize, rows: i32, to: usize): void {
  // The usual case without the test of each row.
  if (rows == 8) {
    interleaveFour(from, rowBytes, 8, 0, to);
    interleaveFour(from, rowBytes, 8, 4, to + 16);
  } else {
    interleaveFour(from, rowBytes, rows, 0, to);
    interleaveFour(from, rowBytes, rows, 4, to + 16);
  }
}

/** Rows r .. r + 3. */
// @ts-ignore: decorator
@inline function interleaveFour(from: usize, rowBytes: usize, rows: i32, r: i32, to: usize): void {
  const a = rowVector(from, rowBytes, rows, r), b = rowVector(from, rowBytes, rows, r + 1);
  const c = rowVector(from, rowBytes, rows, r + 2), d = rowVector(from, rowBytes, rows, r + 3);
  storeVectors(to, column(a, b, c, d, 0), column(a, b, c, d, 1), column(a, b, c, d, 2), column(a, b, c, d, 3));
}
