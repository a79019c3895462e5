/** Do draws follow a distribution? */
import { expect } from 'vitest';

/**
 * Pearson's chi-square of draws against expected probabilities; tokens expected fewer than five times count
 * together.
 */
function chiSquare(counts: Float64Array, probs: Float32Array, draws: number): { value: number; df: number } {
  let value = 0;
  let cells = 0;
  let restCount = 0;
  let restProb = 0;
  for (const [id, p] of probs.entries()) {
    if (p * draws < 5) {
      restCount += counts[id]!;
      restProb += p;
      continue;
    }
    value += (counts[id]! - p * draws) ** 2 / (p * draws);
    cells++;
  }
  if (restProb * draws >= 5) {
    value += (restCount - restProb * draws) ** 2 / (restProb * draws);
    cells++;
  }
  return { value, df: cells - 1 };
}

/** Fails when `counts` of `draws` draws are not what `expected` probabilities give, or hold an impossible token. */
export function follows(counts: Float64Array, expected: Float32Array, draws: number): void {
  const { value, df } = chiSquare(counts, expected, draws);
  expect(df).toBeGreaterThan(3);
  // The chi-square distribution has mean df and variance 2 df: 4 standard deviations is below 1 in 10,000.
  expect(value).toBeLessThan(df + 4 * Math.sqrt(2 * df));
  for (const [id, count] of counts.entries()) if (expected[id] === 0) expect(count).toBe(0);
}

/** Logits as a model might give them: normal with a standard deviation of 2. */
export function gaussianLogits(n: number, random: { next(): number }): Float32Array {
  return Float32Array.from({ length: n }, () => {
    let sum = 0;
    for (let i = 0; i < 12; i++) sum += random.next();
    return (sum - 6) * 2;
  });
}
