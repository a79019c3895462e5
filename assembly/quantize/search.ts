/**
 * Searches for the scale of a block that make a weighted squared error small, in four lanes (lanes.ts). As in ggml: the
 * same candidates in the same order and the same order of operations, so that the same scale wins.
 *
 * x, w: arrays of n values and of their weights. L: receives the integers.
 */
import { clamp, laneBytes, level, nearest, positive, select } from './lanes';

/** Blocks whose largest value is below count as zeros. */
const LEAST: f32 = 1e-15;

/** The value of largest magnitude, the first of equals, in each lane. */
// @ts-ignore: decorator
@inline export function largest(x: usize, n: i32): v128 {
  let magnitude = f32x4.splat(0), value = f32x4.splat(0);
  for (const end = x + laneBytes(n); x < end; x += 16) {
    const v = v128.load(x), a = f32x4.abs(v), more = f32x4.gt(a, magnitude);
    magnitude = select(more, a, magnitude);
    value = select(more, v, value);
  }
  return value;
}

/** Lanes in which a block is all but zero, given its largest value. */
// @ts-ignore: decorator
@inline export function negligible(value: v128): v128 {
  return f32x4.lt(f32x4.abs(value), f32x4.splat(LEAST));
}

/**
 * x ~ scale * (L - most), L of 0 .. 2 most - 1. Tries scales around the one that maps the largest value to -most, each
 * then fitted to its integers by least squares. L of a block of zeros is 0. Returns the scales.
 */
export function searchSigned(x: usize, w: usize, L: usize, n: i32, most: i32): v128 {
  const max = largest(x, n), zero = negligible(max), offset = i32x4.splat(most), bytes = laneBytes(n);
  const none = f32x4.splat(0);
  let inverse = f32x4.div(f32x4.splat(<f32>-most), max);
  let xl = none, ll = none;
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i), weight = v128.load(w + i);
    const l = clamp(nearest(f32x4.mul(inverse, v)), -most, most - 1), q = f32x4.convert_i32x4_s(l);
    v128.store(L + i, i32x4.add(l, offset));
    xl = f32x4.add(xl, f32x4.mul(f32x4.mul(weight, v), q));
    ll = f32x4.add(ll, f32x4.mul(f32x4.mul(weight, q), q));
  }
  let scale = select(f32x4.ne(ll, none), f32x4.div(xl, ll), none);
  let best = f32x4.mul(scale, xl);
  for (let step = -9; step <= 9; step++) {
    if (step == 0) continue;
    inverse = f32x4.div(f32x4.splat(-(<f32>most + <f32>0.1 * <f32>step)), max);
    xl = none;
    ll = none;
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = v128.load(x + i), weight = v128.load(w + i);
      const q = level(f32x4.mul(inverse, v), -most, most - 1);
      xl = f32x4.add(xl, f32x4.mul(f32x4.mul(weight, v), q));
      ll = f32x4.add(ll, f32x4.mul(f32x4.mul(weight, q), q));
    }
    const better = v128.and(positive(ll), f32x4.gt(f32x4.mul(xl, xl), f32x4.mul(best, ll)));
    if (!v128.any_true(better)) continue;
    for (let i: usize = 0; i < bytes; i += 16) {
      const l = clamp(nearest(f32x4.mul(inverse, v128.load(x + i))), -most, most - 1);
      v128.store(L + i, select(better, i32x4.add(l, offset), v128.load(L + i)));
    }
    scale = select(better, f32x4.div(xl, ll), scale);
    best = select(better, f32x4.mul(scale, xl), best);
  }
  for (let i: usize = 0; i < bytes; i += 16) v128.store(L + i, v128.andnot(v128.load(L + i), zero));
  return v128.andnot(scale, zero);
}

/**
 * x ~ scale * (L - most), weights x^2. Improves integers one by one as long as that makes the error smaller, in at most
 * five passes. Returns the scales.
 */
export function searchStepwise(x: usize, L: usize, n: i32, most: i32): v128 {
  const max = largest(x, n), zero = negligible(max), bytes = laneBytes(n), none = f32x4.splat(0);
  const inverse = f32x4.div(f32x4.splat(<f32>-most), max);
  let xl = none, ll = none;
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i), w = f32x4.mul(v, v);
    const q = level(f32x4.mul(inverse, v), -most, most - 1);
    v128.store(L + i, q);
    xl = f32x4.add(xl, f32x4.mul(f32x4.mul(w, v), q));
    ll = f32x4.add(ll, f32x4.mul(f32x4.mul(w, q), q));
  }
  for (let pass = 0; pass < 5; pass++) {
    let changed = none;
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = v128.load(x + i), w = f32x4.mul(v, v), wv = f32x4.mul(w, v), old = v128.load(L + i);
      let xlNew = f32x4.sub(xl, f32x4.mul(wv, old));
      let llNew = f32x4.sub(ll, f32x4.mul(f32x4.mul(w, old), old));
      const q = level(f32x4.div(f32x4.mul(v, llNew), xlNew), -most, most - 1);
      const other = v128.and(positive(xlNew), f32x4.ne(q, old));
      xlNew = f32x4.add(xlNew, f32x4.mul(wv, q));
      llNew = f32x4.add(llNew, f32x4.mul(f32x4.mul(w, q), q));
      const gain = f32x4.gt(f32x4.mul(f32x4.mul(xlNew, xlNew), ll), f32x4.mul(f32x4.mul(xl, xl), llNew));
      const better = v128.and(other, v128.and(positive(llNew), gain));
      v128.store(L + i, select(better, q, old));
      xl = select(better, xlNew, xl);
      ll = select(better, llNew, ll);
      changed = v128.or(changed, better);
    }
    if (!v128.any_true(changed)) break;
  }
  const offset = i32x4.splat(most);
  for (let i: usize = 0; i < bytes; i += 16) {
    const l = i32x4.add(i32x4.trunc_sat_f32x4_s(v128.load(L + i)), offset);
    v128.store(L + i, v128.andnot(l, zero));
  }
  return v128.andnot(select(positive(ll), f32x4.div(xl, ll), none), zero);
}

/**
 * x ~ scale * L - minimum, L of 0..most, minimum >= 0. Tries `steps` + 1 scales, (most + first + k delta) / range of x,
 * each then fitted together with the minimum by least squares; `absolute`: by the sum of absolute errors, not of
 * squares. `aux`: room for n integers. Returns the scales and stores the minimums.
 */
export function searchAffine(
  x: usize, w: usize, L: usize, aux: usize, n: i32, most: i32, first: f32, delta: f32, steps: i32, absolute: bool,
  minimums: usize,
): v128 {
  const bytes = laneBytes(n), none = f32x4.splat(0), top = f32x4.splat(<f32>most);
  let min = v128.load(x), max = min;
  let sumW = v128.load(w), sumX = f32x4.mul(sumW, min);
  for (let i: usize = 16; i < bytes; i += 16) {
    const v = v128.load(x + i), weight = v128.load(w + i);
    min = f32x4.pmin(min, v);
    max = f32x4.pmax(max, v);
    sumW = f32x4.add(sumW, weight);
    sumX = f32x4.add(sumX, f32x4.mul(weight, v));
  }
  min = select(positive(min), none, min);
  const flat = f32x4.eq(max, min);
  let inverse = f32x4.div(top, f32x4.sub(max, min));
  let scale = f32x4.div(f32x4.splat(1), inverse);
  let best = none;
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i);
    const q = level(f32x4.mul(inverse, f32x4.sub(v, min)), 0, most);
    v128.store(L + i, q);
    best = f32x4.add(best, f32x4.mul(v128.load(w + i), distance(scale, q, min, v, absolute)));
  }
  for (let step = 0; step <= steps; step++) {
    inverse = f32x4.div(f32x4.splat(first + delta * <f32>step + <f32>most), f32x4.sub(max, min));
    let sumL = none, sumLL = none, sumXL = none;
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = v128.load(x + i);
      const q = level(f32x4.mul(inverse, f32x4.sub(v, min)), 0, most);
      v128.store(aux + i, q);
      const wq = f32x4.mul(v128.load(w + i), q);
      sumL = f32x4.add(sumL, wq);
      sumLL = f32x4.add(sumLL, f32x4.mul(wq, q));
      sumXL = f32x4.add(sumXL, f32x4.mul(wq, v));
    }
    const determinant = f32x4.sub(f32x4.mul(sumW, sumLL), f32x4.mul(sumL, sumL));
    let newScale = f32x4.div(f32x4.sub(f32x4.mul(sumW, sumXL), f32x4.mul(sumX, sumL)), determinant);
    let newMin = f32x4.div(f32x4.sub(f32x4.mul(sumLL, sumX), f32x4.mul(sumL, sumXL)), determinant);
    const above = positive(newMin);
    newMin = select(above, none, newMin);
    newScale = select(above, f32x4.div(sumXL, sumLL), newScale);
    let error = none;
    for (let i: usize = 0; i < bytes; i += 16) {
      const d = distance(newScale, v128.load(aux + i), newMin, v128.load(x + i), absolute);
      error = f32x4.add(error, f32x4.mul(v128.load(w + i), d));
    }
    const better = v128.and(positive(determinant), f32x4.lt(error, best));
    if (!v128.any_true(better)) continue;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(L + i, select(better, v128.load(aux + i), v128.load(L + i)));
    }
    best = select(better, error, best);
    scale = select(better, newScale, scale);
    min = select(better, newMin, min);
  }
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(L + i, v128.andnot(i32x4.trunc_sat_f32x4_s(v128.load(L + i)), flat));
  }
  v128.store(minimums, f32x4.neg(min));
  return v128.andnot(scale, flat);
}

// @ts-ignore: decorator
@inline function distance(scale: v128, q: v128, min: v128, v: v128, absolute: bool): v128 {
  const d = f32x4.sub(f32x4.add(f32x4.mul(scale, q), min), v);
  return absolute ? f32x4.abs(d) : f32x4.mul(d, d);
}

/**
 * x ~ scale * L, x >= 0, L of 0..most: for the scales of a super-block's blocks. First the scale, then the integers one
 * by one in at most five passes. Returns the scales.
 */
export function searchPositive(x: usize, w: usize, L: usize, n: i32, most: i32): v128 {
  const bytes = laneBytes(n), none = f32x4.splat(0), top = i32x4.splat(most), byte = i32x4.splat(255);
  let max = none;
  for (let i: usize = 0; i < bytes; i += 16) max = f32x4.pmax(max, v128.load(x + i));
  const zero = f32x4.lt(max, f32x4.splat(LEAST));
  let inverse = f32x4.div(f32x4.splat(<f32>most), max);
  let scale = f32x4.div(f32x4.splat(1), inverse);
  let best = none;
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i);
    const q = f32x4.convert_i32x4_s(v128.and(nearest(f32x4.mul(inverse, v)), byte));
    const d = f32x4.sub(v, f32x4.mul(scale, q));
    best = f32x4.add(best, f32x4.mul(f32x4.mul(v128.load(w + i), d), d));
  }
  for (let step = -4; step <= 4; step++) {
    if (step == 0) continue;
    const other = f32x4.div(f32x4.splat(<f32>0.1 * <f32>step + <f32>most), max);
    scale = f32x4.div(f32x4.splat(1), other);
    let error = none;
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = v128.load(x + i);
      const q = f32x4.convert_i32x4_s(i32x4.min_s(top, nearest(f32x4.mul(other, v))));
      const d = f32x4.sub(v, f32x4.mul(scale, q));
      error = f32x4.add(error, f32x4.mul(f32x4.mul(v128.load(w + i), d), d));
    }
    const better = f32x4.lt(error, best);
    best = select(better, error, best);
    inverse = select(better, other, inverse);
  }
  let xl = none, ll = none;
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i), weight = v128.load(w + i);
    const l = i32x4.min_s(top, nearest(f32x4.mul(inverse, v))), q = f32x4.convert_i32x4_s(l);
    v128.store(L + i, v128.and(l, byte));
    xl = f32x4.add(xl, f32x4.mul(f32x4.mul(weight, v), q));
    ll = f32x4.add(ll, f32x4.mul(f32x4.mul(weight, q), q));
  }
  for (let pass = 0; pass < 5; pass++) {
    let changed = none;
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = v128.load(x + i), weight = v128.load(w + i), wv = f32x4.mul(weight, v);
      const before = v128.load(L + i), old = f32x4.convert_i32x4_s(before);
      let xlNew = f32x4.sub(xl, f32x4.mul(wv, old));
      let llNew = f32x4.sub(ll, f32x4.mul(f32x4.mul(weight, old), old));
      const l = i32x4.min_s(top, nearest(f32x4.div(f32x4.mul(v, llNew), xlNew))), q = f32x4.convert_i32x4_s(l);
      const other = v128.and(v128.and(positive(xlNew), positive(llNew)), i32x4.ne(l, before));
      xlNew = f32x4.add(xlNew, f32x4.mul(wv, q));
      llNew = f32x4.add(llNew, f32x4.mul(f32x4.mul(weight, q), q));
      const gain = f32x4.gt(f32x4.mul(f32x4.mul(xlNew, xlNew), ll), f32x4.mul(f32x4.mul(xl, xl), llNew));
      const better = v128.and(other, gain);
      v128.store(L + i, select(better, v128.and(l, byte), before));
      xl = select(better, xlNew, xl);
      ll = select(better, llNew, ll);
      changed = v128.or(changed, better);
    }
    if (!v128.any_true(changed)) break;
  }
  for (let i: usize = 0; i < bytes; i += 16) v128.store(L + i, v128.andnot(v128.load(L + i), zero));
  return v128.andnot(select(positive(ll), f32x4.div(xl, ll), none), zero);
}
