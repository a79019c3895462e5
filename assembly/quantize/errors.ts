/** What an error in weights does to the outputs: for methods that choose by it. */

import { total } from './lanes';

/** Squared dot products of `ROWS` rows at e with the two samples at x and y, added up. */
// @ts-ignore: decorator
@inline function tile(ROWS: i32, e: usize, x: usize, y: usize, bytes: usize): f32 {
  const zero = f32x4.splat(0), b = ROWS > 1 ? bytes : 0, c = ROWS > 2 ? 2 * bytes : 0, d = ROWS > 3 ? 3 * bytes : 0;
  let ax = zero, ay = zero, bx = zero, by = zero, cx = zero, cy = zero, dx = zero, dy = zero;
  for (let i: usize = 0; i < bytes; i += 16) {
    const vx = v128.load(x + i), vy = v128.load(y + i), p = e + i;
    let w = v128.load(p);
    ax = f32x4.add(ax, f32x4.mul(w, vx));
    ay = f32x4.add(ay, f32x4.mul(w, vy));
    if (ROWS > 1) {
      w = v128.load(p + b);
      bx = f32x4.add(bx, f32x4.mul(w, vx));
      by = f32x4.add(by, f32x4.mul(w, vy));
      w = v128.load(p + c);
      cx = f32x4.add(cx, f32x4.mul(w, vx));
      cy = f32x4.add(cy, f32x4.mul(w, vy));
      w = v128.load(p + d);
      dx = f32x4.add(dx, f32x4.mul(w, vx));
      dy = f32x4.add(dy, f32x4.mul(w, vy));
    }
  }
  return square(total(ax)) + square(total(ay)) + square(total(bx)) + square(total(by))
    + square(total(cx)) + square(total(cy)) + square(total(dx)) + square(total(dy));
}

// @ts-ignore: decorator
@inline function square(x: f32): f32 {
  return x * x;
}

/**
 * Sum of the squares of E X^T: what errors of weights E [rows x columns] do to the outputs for the inputs X
 * [samples x columns]. Columns are a multiple of 4, samples even.
 */
export function outputError(e: usize, rows: i32, x: usize, samples: i32, columns: i32): f64 {
  const bytes = <usize>columns << 2;
  let sum: f64 = 0;
  for (; rows >= 4; rows -= 4) {
    for (let s = 0; s < samples; s += 2) {
      const at = x + <usize>s * bytes;
      sum += tile(4, e, at, at + bytes, bytes);
    }
    e += 4 * bytes;
  }
  for (; rows > 0; rows--) {
    for (let s = 0; s < samples; s += 2) {
      const at = x + <usize>s * bytes;
      sum += tile(1, e, at, at + bytes, bytes);
    }
    e += bytes;
  }
  return sum;
}

/** x[i][j] *= factors[j] for `rows` rows. Columns are any number. */
export function scaleColumns(x: usize, rows: i32, columns: i32, factors: usize): void {
  for (; rows > 0; rows--) {
    for (let i = 0; i < columns; i++) {
      store<f32>(x, load<f32>(x) * load<f32>(factors + (<usize>i << 2)));
      x += 4;
    }
  }
}

/** x[i][j] *= factors[i]. */
export function scaleRows(x: usize, rows: i32, columns: i32, factors: usize): void {
  for (; rows > 0; rows--) {
    const by = load<f32>(factors);
    for (let i = 0; i < columns; i++) {
      store<f32>(x, load<f32>(x) * by);
      x += 4;
    }
    factors += 4;
  }
}

/** a[i] -= b[i] */
export function subtract(a: usize, b: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    store<f32>(a, load<f32>(a) - load<f32>(b));
    a += 4;
    b += 4;
  }
}
