/** Int8 of SmoothQuant: rows that have been divided by their scales, to the nearest integers of -127 .. 127. */

// @ts-ignore: decorator
@inline function integer(x: usize): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(v128.load(x)));
}

/** `count` (a multiple of 16) f32 to bytes; of two nearest integers the even one. */
export function storeI8(x: usize, count: i32, to: usize): void {
  for (const end = to + <usize>count; to < end; to += 16) {
    const low = i16x8.narrow_i32x4_s(integer(x), integer(x + 16));
    const high = i16x8.narrow_i32x4_s(integer(x + 32), integer(x + 48));
    v128.store(to, i8x16.max_s(i8x16.narrow_i16x8_s(low, high), i8x16.splat(-127)));
    x += 64;
  }
}

/** Largest magnitudes in the columns and in the rows of x. Columns are a multiple of 4. */
export function maxima(x: usize, rows: i32, columns: i32, ofColumns: usize, ofRows: usize): void {
  const bytes = <usize>columns << 2;
  memory.fill(ofColumns, 0, bytes);
  for (; rows > 0; rows--) {
    let most = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) {
      const a = f32x4.abs(v128.load(x + i));
      most = f32x4.max(most, a);
      v128.store(ofColumns + i, f32x4.max(v128.load(ofColumns + i), a));
    }
    most = f32x4.max(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
    store<f32>(ofRows, max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)));
    x += bytes;
    ofRows += 4;
  }
}
