// @ts-check
/** What samples tell: means, their margins of error, and ratios of two sets of samples. */

/** Two-sided 95 % quantiles of Student's t; the last one for all degrees of freedom beyond. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const T_NORMAL = 1.96;

/** @param {number} freedom degrees, at least 1 */
export function studentT(freedom) {
  const whole = Math.max(1, Math.floor(freedom));
  return T95[whole - 1] ?? T_NORMAL + 2.4 / whole;
}

/**
 * @param {readonly number[]} samples two or more
 * @returns {{ mean: number, median: number, best: number, rme: number }} `best`: the least; `rme`: relative margin of
 *   error of the mean, 95 %, as a fraction
 */
export function describeSamples(samples) {
  const { mean, error, freedom } = moments(samples);
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? at(sorted, middle) : (at(sorted, middle - 1) + at(sorted, middle)) / 2;
  return { mean, median, best: at(sorted, 0), rme: (studentT(freedom) * error) / mean };
}

/**
 * How much faster `samples` (times) are than `base`: above 1 is faster. The interval is Welch's, 95 %, of the
 * logarithm of the ratio of the means.
 *
 * @param {readonly number[]} base @param {readonly number[]} samples
 * @returns {{ ratio: number, low: number, high: number }}
 */
export function speedUp(base, samples) {
  const [a, b] = [moments(base), moments(samples)];
  const [va, vb] = [(a.error / a.mean) ** 2, (b.error / b.mean) ** 2];
  const ratio = a.mean / b.mean;
  const variance = va + vb;
  if (variance === 0) return { ratio, low: ratio, high: ratio };
  const freedom = variance ** 2 / (va ** 2 / a.freedom + vb ** 2 / b.freedom);
  const margin = Math.exp(studentT(freedom) * Math.sqrt(variance));
  return { ratio, low: ratio / margin, high: ratio * margin };
}

/** @param {readonly number[]} samples */
function moments(samples) {
  const count = samples.length;
  if (count < 2) throw new RangeError(`${count} samples say nothing about their error`);
  const mean = samples.reduce((sum, value) => sum + value, 0) / count;
  const squares = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (count - 1) / count), freedom: count - 1 };
}

/** @param {readonly number[]} values @param {number} index */
function at(values, index) {
  return values[index] ?? NaN;
}
