/**
 * GPTQ's walk over the columns of a weight matrix, eight rows at a time: a column is rounded, and its error is made good,
 * as far as the inputs are correlated, by the columns that come after it.
 *
 * Columns are walked from the last to the first. With H = L L^T (columns in that order) and M = L^-1, lower triangular:
 *
 *     e = (w[a] - rounded w[a]) / M[a][a];   w[b] -= e * M[a][b]  for all b < a
 *
 * Eight rows lie side by side, [columns x 8] f32, so that M is read once for all of them. Corrections reach a block's own
 * columns at once, those before the block when it is done: four columns at a time, whose sums stay in registers.
 *
 *     W  [columns x 8] f32      E [256 x 8] f32 errors of a block      STEPS, MINIMUMS [scales x 8] f32: see grids.ts
 *     QS [columns x 8] i32 integers less the least
 */
import { columnsPerScale, gridColumns, integerRange, leastInteger, readGrid, storeIntegers } from './grids';
import { nearest, select } from './lanes';
import { fitRow } from './rows';

const LANES: usize = 32; // bytes of eight f32

/** Bytes of work memory for rows of so many columns. */
export function feedbackBytes(columns: i32): usize {
  return <usize>columns * (2 * LANES + 4) + 256 * LANES;
}

/**
 * Eight rows.
 *
 * rows: [8 x columns] f32, in the file's order; overwritten. importance: f32 per column. order: i32[columns], the column
 * that is walked at each place, from the last place to the first. m: M, [columns x columns]. refit: scales of a block are
 * fitted when the walk comes to it, to what its columns have become; columns must be in the file's order. Else they are
 * those of the weights as they were. to: the rows in the file's type. work: feedbackBytes. s: scratch of the quantizers.
 */
export function walkRows(
  type: i32, rows: usize, columns: i32, importance: usize, order: usize, m: usize, refit: bool,
  to: usize, rowBytes: usize, work: usize, s: usize,
): void {
  const n = <usize>columns, W = work, QS = W + n * LANES, STEPS = QS + n * LANES, MINIMUMS = STEPS + n * 2;
  const E = MINIMUMS + n * 2;
  const block = gridColumns(type);
  if (!refit) {
    for (let r: usize = 0; r < 8; r++) {
      fitRow(type, rows + r * n * 4, columns, importance, to + r * rowBytes, s);
      readRow(type, to + r * rowBytes, rowBytes, 0, columns, STEPS + r * 4, MINIMUMS + r * 4);
    }
  }
  for (let a: usize = 0; a < n; a++) {
    const from = rows + (<usize>load<i32>(order + a * 4) << 2), at = W + a * LANES;
    for (let r: usize = 0; r < 8; r++) store<f32>(at + r * 4, load<f32>(from + r * n * 4));
  }
  const bytes = rowBytes / <usize>(columns / block);
  for (let end = columns; end > 0; end -= block) {
    const start = max(0, end - block);
    if (refit) {
      for (let r: usize = 0; r < 8; r++) {
        const row = rows + (r * n + <usize>start) * 4, made = to + r * rowBytes + <usize>(start / block) * bytes;
        for (let c: usize = 0; c < <usize>block; c++) {
          store<f32>(row + c * 4, load<f32>(W + (<usize>start + c) * LANES + r * 4));
        }
        fitRow(type, row, block, importance + (<usize>start << 2), made, s);
        readRow(type, made, bytes, start, block, STEPS + r * 4, MINIMUMS + r * 4);
      }
    }
    walkBlock(type, columns, order, m, start, end, W, QS, STEPS, MINIMUMS, E);
    correctBefore(columns, m, start, end, W, E);
  }
  writeRows(type, columns, order, to, rowBytes, QS, W);
}

/** Steps and minimums of the columns first .. first + count - 1, whose blocks lie at `from`; `bytes` of all of them. */
function readRow(type: i32, from: usize, bytes: usize, first: i32, count: i32, steps: usize, minimums: usize): void {
  const block = gridColumns(type), per = columnsPerScale(type), each = bytes / <usize>(count / block);
  for (let column = first; column < first + count; column += block) {
    const at = <usize>(column / per) * LANES;
    readGrid(type, from, steps + at, minimums + at);
    from += each;
  }
}

/** Rounds the columns at places end - 1 .. start, and corrects those of the block that follow each. */
function walkBlock(
  type: i32, columns: i32, order: usize, m: usize, start: i32, end: i32,
  W: usize, QS: usize, STEPS: usize, MINIMUMS: usize, E: usize,
): void {
  const per = columnsPerScale(type), least = leastInteger(type);
  const low = f32x4.splat(<f32>least), high = f32x4.splat(<f32>(least + integerRange(type))), offset = i32x4.splat(least);
  for (let a = end - 1; a >= start; a--) {
    const row = m + <usize>a * (<usize>columns << 2), at = <usize>a * LANES;
    const scale = <usize>(load<i32>(order + (<usize>a << 2)) / per) * LANES;
    const by = f32x4.splat(1 / load<f32>(row + (<usize>a << 2)));
    for (let half: usize = 0; half < LANES; half += 16) {
      const w = v128.load(W + at + half);
      const step = v128.load(STEPS + scale + half), minimum = v128.load(MINIMUMS + scale + half);
      const q = rounded(f32x4.div(f32x4.add(w, minimum), step), step, low, high);
      const value = f32x4.sub(f32x4.mul(step, f32x4.convert_i32x4_s(q)), minimum);
      v128.store(QS + at + half, i32x4.sub(q, offset));
      v128.store(E + <usize>(a - start) * LANES + half, f32x4.mul(f32x4.sub(w, value), by));
    }
    const e0 = v128.load(E + <usize>(a - start) * LANES), e1 = v128.load(E + <usize>(a - start) * LANES, 16);
    for (let b = start; b < a; b++) {
      const to = W + <usize>b * LANES, factor = v128.load32_splat(row + (<usize>b << 2));
      v128.store(to, f32x4.sub(v128.load(to), f32x4.mul(e0, factor)));
      v128.store(to, f32x4.sub(v128.load(to, 16), f32x4.mul(e1, factor)), 16);
    }
  }
}

/** The nearest integer between two; where all values of a scale are the same, the least of them. */
// @ts-ignore: decorator
@inline function rounded(x: v128, step: v128, low: v128, high: v128): v128 {
  const within = f32x4.pmin(high, f32x4.pmax(low, x));
  return nearest(select(f32x4.ne(step, f32x4.splat(0)), within, low));
}

/** Corrects the columns before a block for all of its errors. `start` is a multiple of 4. */
function correctBefore(columns: i32, m: usize, start: i32, end: i32, W: usize, E: usize): void {
  const stride = <usize>columns << 2;
  for (let b = 0; b < start; b += 4) {
    const to = W + <usize>b * LANES;
    let p0 = v128.load(to), p1 = v128.load(to, 16), q0 = v128.load(to, 32), q1 = v128.load(to, 48);
    let r0 = v128.load(to, 64), r1 = v128.load(to, 80), t0 = v128.load(to, 96), t1 = v128.load(to, 112);
    let row = m + <usize>start * stride + (<usize>b << 2), e = E;
    for (let a = start; a < end; a++) {
      const e0 = v128.load(e), e1 = v128.load(e, 16);
      let factor = v128.load32_splat(row);
      p0 = f32x4.sub(p0, f32x4.mul(e0, factor));
      p1 = f32x4.sub(p1, f32x4.mul(e1, factor));
      factor = v128.load32_splat(row, 4);
      q0 = f32x4.sub(q0, f32x4.mul(e0, factor));
      q1 = f32x4.sub(q1, f32x4.mul(e1, factor));
      factor = v128.load32_splat(row, 8);
      r0 = f32x4.sub(r0, f32x4.mul(e0, factor));
      r1 = f32x4.sub(r1, f32x4.mul(e1, factor));
      factor = v128.load32_splat(row, 12);
      t0 = f32x4.sub(t0, f32x4.mul(e0, factor));
      t1 = f32x4.sub(t1, f32x4.mul(e1, factor));
      row += stride;
      e += LANES;
    }
    v128.store(to, p0);
    v128.store(to, p1, 16);
    v128.store(to, q0, 32);
    v128.store(to, q1, 48);
    v128.store(to, r0, 64);
    v128.store(to, r1, 80);
    v128.store(to, t0, 96);
    v128.store(to, t1, 112);
  }
}

/** Puts the integers into the blocks at `to`, row by row, in the file's order. `bytes`: room for a row's. */
function writeRows(type: i32, columns: i32, order: usize, to: usize, rowBytes: usize, QS: usize, bytes: usize): void {
  const block = gridColumns(type), each = rowBytes / <usize>(columns / block);
  for (let r: usize = 0; r < 8; r++) {
    for (let a: usize = 0; a < <usize>columns; a++) {
      store<u8>(bytes + <usize>load<i32>(order + (a << 2)), load<i32>(QS + a * LANES + (r << 2)));
    }
    for (let column = 0; column < columns; column += block) {
      storeIntegers(type, bytes + <usize>column, to + r * rowBytes + <usize>(column / block) * each);
    }
  }
}
