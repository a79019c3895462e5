import { expect, test } from 'vitest';
import { KlStatistics } from '../../../tools/perplexity/kl-statistics.ts';
import { scoreRow } from '../../../tools/perplexity/score.ts';

const ln = (values: number[]) => Float32Array.from(values, Math.log);

/** Two positions over three tokens: [base probabilities, the model's, the token that came]. */
const ROWS: [number[], number[], number][] = [
  [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], 0],
  [[0.1, 0.8, 0.1], [0.2, 0.6, 0.2], 1],
];

function statistics(rows: typeof ROWS): KlStatistics {
  const kl = new KlStatistics();
  for (const [base, model, target] of rows) {
    // Logits are log probabilities up to a constant.
    const logits = ln(model).map((value) => value + 3);
    kl.add(ln(base), logits, scoreRow(logits, target), target);
  }
  return kl;
}

test('by hand', () => {
  const result = statistics(ROWS).result();
  const first = 0.5 * Math.log(2) + 0.25 * Math.log(0.5);
  const second = 0.2 * Math.log(0.5) + 0.8 * Math.log(0.8 / 0.6);
  expect(result.mean).toBeCloseTo((first + second) / 2, 6);
  expect(result.error).toBeCloseTo(Math.abs(first - second) / 2, 6);
  expect(result.max).toBeCloseTo(Math.max(first, second), 6);
  expect(result.min).toBeCloseTo(Math.min(first, second), 6);
  expect(result.median).toBeCloseTo((first + second) / 2, 6);
  expect(result.topAgreement).toBe(50);
  expect(result.basePerplexity).toBeCloseTo((0.5 * 0.8) ** -0.5, 5);
  expect(result.ratio).toBeCloseTo(((0.25 * 0.6) / (0.5 * 0.8)) ** -0.5, 5);
  expect(result.difference).toBeCloseTo((0.25 * 0.6) ** -0.5 - (0.5 * 0.8) ** -0.5, 5);
  expect(result.deltaP.mean).toBeCloseTo(-22.5, 4); // -25 and -20 points
  expect(result.deltaP.rms).toBeCloseTo(100 * Math.sqrt((0.25 ** 2 + 0.2 ** 2) / 2), 4);
  expect([result.deltaP.max, result.deltaP.min].map(Math.round)).toEqual([-20, -25]);
});

test('a model does not depart from itself', () => {
  const rows = Array.from({ length: 50 }, (_, i): (typeof ROWS)[number] => {
    const p = [0.2 + 0.01 * i, 0.3, 0.5 - 0.01 * i];
    return [p, p, i % 3];
  });
  const result = statistics(rows).result();
  expect(Math.abs(result.mean)).toBeLessThan(1e-6);
  expect([result.ratio, result.correlation, result.topAgreement].map((x) => Number(x.toFixed(3)))).toEqual([
    1, 100, 100,
  ]);
  // Rounding of f32 aside: the errors of the two perplexities are one and the same.
  expect(result.ratioError).toBeLessThan(1e-3);
  expect(result.basePerplexityError).toBeGreaterThan(0.1);
});

test('NaN shows', () => {
  const result = statistics([[[0.5, 0.25, 0.25], [NaN, 0.5, 0.25], 0]]).result();
  expect([result.mean, result.ratio].every(Number.isNaN)).toBe(true);
});
