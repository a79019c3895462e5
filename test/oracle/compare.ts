/** Comparisons of logits. All of them throw on NaN and on infinite values, on either side. */

export interface Difference {
  maxAbs: number;
  /** Kullback-Leibler divergence of `actual` from `expected`, in nats, over rows. */
  maxKl: number;
  meanKl: number;
  /** Share of rows whose largest logit is at the same place. */
  sameTop: number;
  rows: number;
}

/** log(sum(exp)) of a row. */
export function logSumExp(row: Float32Array): number {
  let most = -Infinity;
  for (const value of row) {
    if (!Number.isFinite(value)) throw new Error(`a logit is ${value}`);
    most = Math.max(most, value);
  }
  let sum = 0;
  for (const value of row) sum += Math.exp(value - most);
  return most + Math.log(sum);
}

/** Compares two row-major matrices of logits. */
export function difference(actual: Float32Array, expected: Float32Array, vocabulary: number): Difference {
  if (actual.length !== expected.length || actual.length === 0 || actual.length % vocabulary !== 0) {
    throw new Error(`${actual.length} logits against ${expected.length}, rows of ${vocabulary}`);
  }
  const result: Difference = {
    maxAbs: 0,
    maxKl: 0,
    meanKl: 0,
    sameTop: 0,
    rows: actual.length / vocabulary,
  };
  let total = 0,
    same = 0;
  for (let start = 0; start < actual.length; start += vocabulary) {
    const a = actual.subarray(start, start + vocabulary),
      b = expected.subarray(start, start + vocabulary);
    const sumA = logSumExp(a),
      sumB = logSumExp(b);
    let kl = 0;
    for (let i = 0; i < vocabulary; i++) {
      result.maxAbs = Math.max(result.maxAbs, Math.abs(a[i]! - b[i]!));
      kl += Math.exp(b[i]! - sumB) * (b[i]! - sumB - (a[i]! - sumA));
    }
    result.maxKl = Math.max(result.maxKl, kl);
    total += kl;
    if (topOf(a) === topOf(b)) same++;
  }
  result.meanKl = total / result.rows;
  result.sameTop = same / result.rows;
  return result;
}

/** Where the largest logit is. */
function topOf(row: Float32Array): number {
  return row.reduce((best, value, i) => (value > row[best]! ? i : best), 0);
}

/** Joins the differences of several sequences. */
export function joined(parts: readonly Difference[]): Difference {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  return {
    maxAbs: Math.max(...parts.map((part) => part.maxAbs)),
    maxKl: Math.max(...parts.map((part) => part.maxKl)),
    meanKl: parts.reduce((sum, part) => sum + part.meanKl * part.rows, 0) / rows,
    sameTop: parts.reduce((sum, part) => sum + part.sameTop * part.rows, 0) / rows,
    rows,
  };
}

/** Throws unless `value` is a number and at most `limit`. */
export function atMost(value: number, limit: number, what: string): void {
  if (!(value <= limit)) throw new Error(`${what} is ${value}, more than ${limit}`);
}

/** The same bits everywhere; NaN is refused even where both have it. */
export function sameBits(actual: Float32Array, expected: Float32Array, what = 'logits'): void {
  if (actual.length !== expected.length)
    throw new Error(`${what}: ${actual.length} values, not ${expected.length}`);
  const a = new Uint32Array(actual.buffer, actual.byteOffset, actual.length);
  const b = new Uint32Array(expected.buffer, expected.byteOffset, expected.length);
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] || Number.isNaN(actual[i])) {
      throw new Error(`${what} [${i}]: ${actual[i]}, not ${expected[i]}`);
    }
  }
}

/**
 * Ids chosen greedily must agree up to the first step whose margin is below twice the tolerance: from there on
 * another choice may be right. Returns how many were compared.
 */
export function sameGreedy(
  actual: readonly number[],
  expected: readonly number[],
  margins: readonly number[],
  tolerance: number,
  what: string,
): number {
  const close = margins.findIndex((margin) => !(margin >= 2 * tolerance));
  const count = close < 0 ? expected.length : close;
  for (let i = 0; i < count; i++) {
    if (actual[i] !== expected[i]) {
      throw new Error(
        `${what}: id ${i} is ${actual[i]}, not ${expected[i]}, which was best by ${margins[i]}; ` +
          `${actual.slice(0, i + 1).join(' ')} against ${expected.slice(0, i + 1).join(' ')}`,
      );
    }
  }
  return count;
}
