/** Comparisons. Each throws where a value is NaN, unless NaN is what is expected. */
import { bitsOf } from './twins/numbers.ts';

/** The same bits, NaN apart: any NaN will do for a NaN. */
export function sameBits(actual: ArrayLike<number>, expected: ArrayLike<number>, what = ''): void {
  if (actual.length !== expected.length)
    throw new Error(`${what}: ${actual.length} values, not ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Number.isNaN(e) ? Number.isNaN(a) : bitsOf(a) === bitsOf(e)) continue;
    throw new Error(`${what} [${i}]: ${a} (${bitsOf(a).toString(16)}), not ${e} (${bitsOf(e).toString(16)})`);
  }
}

/** |actual - expected| <= limit(i), and not NaN. Returns the largest part of the limit that was used. */
export function near(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  limit: (i: number) => number,
  what = '',
): number {
  if (actual.length !== expected.length)
    throw new Error(`${what}: ${actual.length} values, not ${expected.length}`);
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= limit(i))) {
      throw new Error(
        `${what} [${i}]: ${actual[i]}, not ${expected[i]}: off by ${error}, allowed ${limit(i)}`,
      );
    }
    most = Math.max(most, limit(i) > 0 ? error / limit(i) : 0);
  }
  return most;
}

export function allNaN(actual: ArrayLike<number>, what = ''): void {
  for (let i = 0; i < actual.length; i++) {
    if (!Number.isNaN(actual[i])) throw new Error(`${what} [${i}]: ${actual[i]}, not NaN`);
  }
}
