/**
 * Four blocks at a time, one in each lane: value i of the blocks a, b, c and d lies in the vector
 *
 *     [ a[i]  b[i]  c[i]  d[i] ]        at 16 i of an array in memory
 *
 * Searches for a block's scale add up errors in one order, from the first value to the last. A lane does just that,
 * so that four blocks cost as much as one and give the same bits as a plain loop over each.
 */

/** Bytes of an array of `n` values of four blocks. */
// @ts-ignore: decorator
@inline export function laneBytes(n: i32): usize {
  return <usize>n << 4;
}

/** Rows of a 4 x 4 matrix of 32-bit values to its columns, or back: the k-th of four. */
// @ts-ignore: decorator
@inline export function column(a: v128, b: v128, c: v128, d: v128, k: i32): v128 {
  const ab = k < 2 ? v128.shuffle<i32>(a, b, 0, 4, 1, 5) : v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd = k < 2 ? v128.shuffle<i32>(c, d, 0, 4, 1, 5) : v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  return k & 1 ? v128.shuffle<i64>(ab, cd, 1, 3) : v128.shuffle<i64>(ab, cd, 0, 2);
}

/** Brings `n` (a multiple of 4) f32 of the blocks at a, b, c, d into lanes at `to`. */
export function gather(a: usize, b: usize, c: usize, d: usize, n: i32, to: usize): void {
  for (const end = to + laneBytes(n); to < end; to += 64) {
    const va = v128.load(a), vb = v128.load(b), vc = v128.load(c), vd = v128.load(d);
    v128.store(to, column(va, vb, vc, vd, 0));
    v128.store(to, column(va, vb, vc, vd, 1), 16);
    v128.store(to, column(va, vb, vc, vd, 2), 32);
    v128.store(to, column(va, vb, vc, vd, 3), 48);
    a += 16; b += 16; c += 16; d += 16;
  }
}

/** Brings `n` integers of 0..255 in each lane at `from` to bytes of the blocks at a, b, c, d. */
export function scatter(from: usize, n: i32, a: usize, b: usize, c: usize, d: usize): void {
  for (const end = from + laneBytes(n); from < end; from += 64) {
    const v0 = v128.load(from), v1 = v128.load(from, 16), v2 = v128.load(from, 32), v3 = v128.load(from, 48);
    const low = i16x8.narrow_i32x4_s(column(v0, v1, v2, v3, 0), column(v0, v1, v2, v3, 1));
    const high = i16x8.narrow_i32x4_s(column(v0, v1, v2, v3, 2), column(v0, v1, v2, v3, 3));
    const bytes = i8x16.narrow_i16x8_u(low, high);
    v128.store32_lane(a, bytes, 0);
    v128.store32_lane(b, bytes, 1);
    v128.store32_lane(c, bytes, 2);
    v128.store32_lane(d, bytes, 3);
    a += 4; b += 4; c += 4; d += 4;
  }
}

/**
 * The nearest integer, of two the even one, for |x| up to 2^22: an f32 as large as 1.5 x 2^23 has no bits left for a
 * fraction. What comes out for larger x, infinity and NaN (0, -2^22 ...) is what ggml's nearest_int makes of them, and
 * a few blocks of tiny values depend on it.
 */
// @ts-ignore: decorator
@inline export function nearest(x: v128): v128 {
  const bits = f32x4.add(x, f32x4.splat(12582912));
  return i32x4.sub(v128.and(bits, i32x4.splat(0x7fffff)), i32x4.splat(0x400000));
}

/** nearest() of one number. */
// @ts-ignore: decorator
@inline export function nearestInt(x: f32): i32 {
  return (reinterpret<i32>(x + <f32>12582912) & 0x7fffff) - 0x400000;
}

// @ts-ignore: decorator
@inline export function clamp(x: v128, low: i32, high: i32): v128 {
  return i32x4.max_s(i32x4.splat(low), i32x4.min_s(i32x4.splat(high), x));
}

/** nearest(x) between `low` and `high`, as f32. */
// @ts-ignore: decorator
@inline export function level(x: v128, low: i32, high: i32): v128 {
  return f32x4.convert_i32x4_s(clamp(nearest(x), low, high));
}

/** `a` in the lanes where `mask` is set, elsewhere `b`. */
// @ts-ignore: decorator
@inline export function select(mask: v128, a: v128, b: v128): v128 {
  return v128.bitselect(a, b, mask);
}

// @ts-ignore: decorator
@inline export function positive(x: v128): v128 {
  return f32x4.gt(x, f32x4.splat(0));
}

/** Sum of the squares of `n` values side by side, from the first to the last. */
export function sumOfSquares(x: usize, n: i32): f32 {
  let sum: f32 = 0;
  for (const end = x + (<usize>n << 2); x < end; x += 4) {
    const value = load<f32>(x);
    sum += value * value;
  }
  return sum;
}

/** Weights of an error in each lane: importance x sqrt(sigma2 + x^2). */
export function weigh(x: usize, importance: usize, sigma2: v128, n: i32, to: usize): void {
  for (const end = to + laneBytes(n); to < end; to += 16) {
    const value = v128.load(x);
    v128.store(to, f32x4.mul(v128.load(importance), f32x4.sqrt(f32x4.add(sigma2, f32x4.mul(value, value)))));
    x += 16;
    importance += 16;
  }
}

/** Sums of an array, lane by lane. */
export function sums(at: usize, n: i32): v128 {
  let sum = f32x4.splat(0);
  for (const end = at + laneBytes(n); at < end; at += 16) sum = f32x4.add(sum, v128.load(at));
  return sum;
}

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline export function total(v: v128): f32 {
  const w = f32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(w, 0) + f32x4.extract_lane(w, 1);
}
