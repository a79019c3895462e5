/**
 * The Hessian of a linear layer's output error, H = X^T X for inputs X [tokens x columns], and what GPTQ needs of it.
 * Matrices are f32, [columns x columns] by rows; of H only the lower triangle is used.
 */
import { column, total } from './lanes';

/** H += X^T X for rows first .. last - 1 of H. `n` tokens; columns, first and last are multiples of 4. */
export function addProducts(x: usize, n: i32, columns: i32, h: usize, first: i32, last: i32): void {
  const stride = <usize>columns << 2;
  for (let i = first; i < last; i += 4) {
    const row = h + <usize>i * stride;
    let j = 0;
    for (; j + 8 <= i + 4; j += 8) addTile(x, n, stride, i, j, row);
    if (j < i + 4) addHalfTile(x, n, stride, i, j, row);
  }
}

/** Four rows and eight columns: eight sums stay in registers over all tokens. */
function addTile(x: usize, n: i32, stride: usize, i: i32, j: i32, row: usize): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
  let p = x + (<usize>i << 2), q = x + (<usize>j << 2);
  for (; n > 0; n--) {
    const y0 = v128.load(q), y1 = v128.load(q, 16);
    let v = v128.load32_splat(p);
    a0 = f32x4.add(a0, f32x4.mul(v, y0));
    a1 = f32x4.add(a1, f32x4.mul(v, y1));
    v = v128.load32_splat(p, 4);
    b0 = f32x4.add(b0, f32x4.mul(v, y0));
    b1 = f32x4.add(b1, f32x4.mul(v, y1));
    v = v128.load32_splat(p, 8);
    c0 = f32x4.add(c0, f32x4.mul(v, y0));
    c1 = f32x4.add(c1, f32x4.mul(v, y1));
    v = v128.load32_splat(p, 12);
    d0 = f32x4.add(d0, f32x4.mul(v, y0));
    d1 = f32x4.add(d1, f32x4.mul(v, y1));
    p += stride;
    q += stride;
  }
  let to = row + (<usize>j << 2);
  to = addPair(to, a0, a1, stride);
  to = addPair(to, b0, b1, stride);
  to = addPair(to, c0, c1, stride);
  addPair(to, d0, d1, stride);
}

// @ts-ignore: decorator
@inline function addPair(to: usize, a: v128, b: v128, stride: usize): usize {
  v128.store(to, f32x4.add(v128.load(to), a));
  v128.store(to, f32x4.add(v128.load(to, 16), b), 16);
  return to + stride;
}

function addHalfTile(x: usize, n: i32, stride: usize, i: i32, j: i32, row: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let p = x + (<usize>i << 2), q = x + (<usize>j << 2);
  for (; n > 0; n--) {
    const y = v128.load(q);
    a = f32x4.add(a, f32x4.mul(v128.load32_splat(p), y));
    b = f32x4.add(b, f32x4.mul(v128.load32_splat(p, 4), y));
    c = f32x4.add(c, f32x4.mul(v128.load32_splat(p, 8), y));
    d = f32x4.add(d, f32x4.mul(v128.load32_splat(p, 12), y));
    p += stride;
    q += stride;
  }
  const to = row + (<usize>j << 2);
  v128.store(to, f32x4.add(v128.load(to), a));
  v128.store(to + stride, f32x4.add(v128.load(to + stride), b));
  v128.store(to + 2 * stride, f32x4.add(v128.load(to + 2 * stride), c));
  v128.store(to + 3 * stride, f32x4.add(v128.load(to + 3 * stride), d));
}

/**
 * to[a][b] = H[order[a]][order[b]] for b <= a: `damping` added to the diagonal, all else times `trust`.
 */
export function orderHessian(h: usize, columns: i32, order: usize, damping: f32, trust: f32, to: usize): void {
  const stride = <usize>columns << 2;
  for (let a = 0; a < columns; a++) {
    const i = load<i32>(order + (<usize>a << 2));
    for (let b = 0; b <= a; b++) {
      const j = load<i32>(order + (<usize>b << 2));
      const value = load<f32>(h + <usize>max(i, j) * stride + (<usize>min(i, j) << 2));
      store<f32>(to + (<usize>b << 2), a == b ? value + damping : value * trust);
    }
    to += stride;
  }
}

/** Sum of a[k] b[k] for k < n. */
// @ts-ignore: decorator
@inline function dot(a: usize, b: usize, n: i32): f32 {
  let s = f32x4.splat(0), t = s;
  const end = a + ((<usize>n & ~7) << 2);
  for (; a < end; a += 32) {
    s = f32x4.add(s, f32x4.mul(v128.load(a), v128.load(b)));
    t = f32x4.add(t, f32x4.mul(v128.load(a, 16), v128.load(b, 16)));
    b += 32;
  }
  let sum = total(f32x4.add(s, t));
  for (let k = n & 7; k > 0; k--) {
    sum += load<f32>(a) * load<f32>(b);
    a += 4;
    b += 4;
  }
  return sum;
}

/** The dot products of the four rows at a with the row at b: n values of each. */
// @ts-ignore: decorator
@inline function fourDots(a: usize, stride: usize, b: usize, n: i32): v128 {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  const end = b + ((<usize>n & ~3) << 2);
  for (; b < end; b += 16) {
    const v = v128.load(b);
    s0 = f32x4.add(s0, f32x4.mul(v128.load(a), v));
    s1 = f32x4.add(s1, f32x4.mul(v128.load(a + stride), v));
    s2 = f32x4.add(s2, f32x4.mul(v128.load(a + 2 * stride), v));
    s3 = f32x4.add(s3, f32x4.mul(v128.load(a + 3 * stride), v));
    a += 16;
  }
  let sum = f32x4.add(f32x4.add(column(s0, s1, s2, s3, 0), column(s0, s1, s2, s3, 1)),
    f32x4.add(column(s0, s1, s2, s3, 2), column(s0, s1, s2, s3, 3)));
  for (let k = n & 3; k > 0; k--) {
    const v = v128.load32_splat(b);
    let w = v128.load32_splat(a);
    w = v128.load32_lane(a + stride, w, 1);
    w = v128.load32_lane(a + 2 * stride, w, 2);
    w = v128.load32_lane(a + 3 * stride, w, 3);
    sum = f32x4.add(sum, f32x4.mul(w, v));
    a += 4;
    b += 4;
  }
  return sum;
}

/**
 * Cholesky: the symmetric matrix at l (its lower triangle) to L with L L^T = that matrix, in place. False: it is not
 * positive definite, as far as f32 can tell. Columns are a multiple of 4.
 */
export function cholesky(l: usize, columns: i32): bool {
  const stride = <usize>columns << 2;
  for (let i = 0; i < columns; i += 4) {
    const rows = l + <usize>i * stride;
    for (let j = 0; j < i; j++) {
      const other = l + <usize>j * stride, by = load<f32>(other + (<usize>j << 2));
      const sums = fourDots(rows, stride, other, j);
      const to = rows + (<usize>j << 2);
      settle(to, f32x4.extract_lane(sums, 0), by);
      settle(to + stride, f32x4.extract_lane(sums, 1), by);
      settle(to + 2 * stride, f32x4.extract_lane(sums, 2), by);
      settle(to + 3 * stride, f32x4.extract_lane(sums, 3), by);
    }
    for (let r = i; r < i + 4; r++) {
      const row = l + <usize>r * stride;
      for (let j = i; j < r; j++) {
        const other = l + <usize>j * stride;
        settle(row + (<usize>j << 2), dot(row, other, j), load<f32>(other + (<usize>j << 2)));
      }
      const at = row + (<usize>r << 2), pivot = load<f32>(at) - dot(row, row, r);
      // Not so for NaN, too.
      if (!(pivot > 0 && pivot < Infinity)) return false;
      store<f32>(at, sqrt(pivot));
    }
  }
  return true;
}

// @ts-ignore: decorator
@inline function settle(at: usize, sum: f32, by: f32): void {
  store<f32>(at, (load<f32>(at) - sum) / by);
}

/** The inverse of the lower triangular matrix at l, in place. `row`: room for a row. */
export function invertLower(l: usize, columns: i32, row: usize): void {
  const stride = <usize>columns << 2;
  for (let i = 0; i < columns; i++) {
    const to = l + <usize>i * stride, inverse: f32 = 1 / load<f32>(to + (<usize>i << 2));
    // Row i of the inverse is -1 / L[i][i] times the sum of L[i][k] (row k of the inverse), k < i.
    memory.copy(row, to, <usize>i << 2);
    for (let c = 0; c < i; c += 16) invertColumns(l, stride, i, c, row, to, -inverse);
    store<f32>(to + (<usize>i << 2), inverse);
  }
}

/** Up to sixteen columns of a row. What lies right of the diagonal is not read. */
function invertColumns(l: usize, stride: usize, i: i32, c: i32, row: usize, to: usize, by: f32): void {
  const first = <usize>c << 2;
  if (i - c >= 16) {
    let a = f32x4.splat(0), b = a, d = a, e = a;
    // The triangle at the top of these columns, then the full rows.
    for (let k = c; k < c + 15; k++) {
      const v = v128.load32_splat(row + (<usize>k << 2)), at = l + <usize>k * stride + first, n = k - c + 1;
      a = f32x4.add(a, f32x4.mul(v, upTo(at, n)));
      if (n > 4) b = f32x4.add(b, f32x4.mul(v, upTo(at + 16, n - 4)));
      if (n > 8) d = f32x4.add(d, f32x4.mul(v, upTo(at + 32, n - 8)));
      if (n > 12) e = f32x4.add(e, f32x4.mul(v, upTo(at + 48, n - 12)));
    }
    for (let k = c + 15; k < i; k++) {
      const v = v128.load32_splat(row + (<usize>k << 2)), at = l + <usize>k * stride + first;
      a = f32x4.add(a, f32x4.mul(v, v128.load(at)));
      b = f32x4.add(b, f32x4.mul(v, v128.load(at, 16)));
      d = f32x4.add(d, f32x4.mul(v, v128.load(at, 32)));
      e = f32x4.add(e, f32x4.mul(v, v128.load(at, 48)));
    }
    const factor = f32x4.splat(by);
    v128.store(to + first, f32x4.mul(a, factor));
    v128.store(to + first, f32x4.mul(b, factor), 16);
    v128.store(to + first, f32x4.mul(d, factor), 32);
    v128.store(to + first, f32x4.mul(e, factor), 48);
    return;
  }
  for (let j = c; j < i; j++) {
    const at = <usize>j << 2;
    let sum: f32 = 0;
    for (let k = j; k < i; k++) sum += load<f32>(row + (<usize>k << 2)) * load<f32>(l + <usize>k * stride + at);
    store<f32>(to + at, sum * by);
  }
}

/** The first n of four values, then zeros. */
// @ts-ignore: decorator
@inline function upTo(at: usize, n: i32): v128 {
  const lanes = i32x4(0, 1, 2, 3);
  return v128.and(v128.load(at), i32x4.gt_s(i32x4.splat(n), lanes));
}
