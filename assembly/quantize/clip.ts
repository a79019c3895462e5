/**
 * The search for clipping ranges: what errors in a group of columns do to the outputs, and weights cut off at a part of
 * their group's largest magnitude. A group is the columns that share a scale, 16 or 32 of them.
 *
 *     E      [rows x columns] f32                 e_g: the group's part of a row
 *     GRAMS  [groups][group x group] f32          G_g = X_g^T X_g for the group's columns of the inputs X
 *     to     [rows x groups] f32                  |X_g e_g|^2 = e_g^T G_g e_g
 */
import { total } from './lanes';

/** G_g of all groups for inputs x [samples x columns]. */
export function groupGrams(x: usize, samples: i32, columns: i32, group: i32, to: usize): void {
  const stride = <usize>columns << 2;
  for (let g = 0; g < columns; g += group) {
    for (let i = g; i < g + group; i++) {
      for (let j = g; j < g + group; j += 4) {
        let sum = f32x4.splat(0), p = x + (<usize>i << 2), q = x + (<usize>j << 2);
        for (let n = samples; n > 0; n--) {
          sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(p), v128.load(q)));
          p += stride;
          q += stride;
        }
        v128.store(to, sum);
        to += 16;
      }
    }
  }
}

/** The errors of all groups of all rows. */
export function groupErrors(e: usize, rows: i32, columns: i32, group: i32, grams: usize, to: usize): void {
  const bytes = <usize>group << 2, square = bytes * <usize>group;
  for (; rows > 0; rows--) {
    let gram = grams;
    for (let g = 0; g < columns; g += group) {
      let sum = f32x4.splat(0);
      for (let j: usize = 0; j < bytes; j += 16) {
        let product = f32x4.splat(0), at = gram + j;
        for (let i: usize = 0; i < bytes; i += 4) {
          product = f32x4.add(product, f32x4.mul(v128.load32_splat(e + i), v128.load(at)));
          at += bytes;
        }
        sum = f32x4.add(sum, f32x4.mul(product, v128.load(e + j)));
      }
      store<f32>(to, total(sum));
      to += 4;
      e += bytes;
      gram += square;
    }
  }
}

/** Rows at x with every group within its part (`parts` [rows x groups]) of its largest magnitude, to `to`. */
export function clipGroups(x: usize, rows: i32, columns: i32, group: i32, parts: usize, to: usize): void {
  const bytes = <usize>group << 2;
  for (let n = rows * (columns / group); n > 0; n--) {
    let most = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) most = f32x4.max(most, f32x4.abs(v128.load(x + i)));
    most = f32x4.max(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
    most = f32x4.max(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
    const limit = f32x4.mul(most, v128.load32_splat(parts)), least = f32x4.neg(limit);
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(to + i, f32x4.min(limit, f32x4.max(least, v128.load(x + i))));
    }
    x += bytes;
    to += bytes;
    parts += 4;
  }
}
