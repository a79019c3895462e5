/** The comparing itself: a check that NaN passes is no check. */
import { describe, expect, test } from 'vitest';
import { atMost, difference, joined, logSumExp, sameBits, sameGreedy } from './compare.ts';

const row = (...values: number[]) => Float32Array.from(values);

describe('difference', () => {
  test('of equal logits is none', () => {
    expect(difference(row(1, 2, 3, 4), row(1, 2, 3, 4), 2)).toEqual({
      maxAbs: 0,
      maxKl: 0,
      meanKl: 0,
      sameTop: 1,
      rows: 2,
    });
  });

  test('KL against a value worked out by hand', () => {
    // p = 1/2, 1/2; q = 1/4, 3/4
    const { maxAbs, maxKl, meanKl } = difference(row(0, Math.log(3)), row(0, 0), 2);
    expect(maxAbs).toBeCloseTo(Math.log(3), 6);
    expect(maxKl).toBeCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(2 / 3), 6);
    expect(meanKl).toBe(maxKl);
  });

  test.each([NaN, Infinity, -Infinity])('refuses %s on either side', (bad) => {
    expect(() => difference(row(1, bad), row(1, 2), 2)).toThrow(`a logit is ${bad}`);
    expect(() => difference(row(1, 2), row(bad, 2), 2)).toThrow(`a logit is ${bad}`);
    expect(() => logSumExp(row(bad))).toThrow();
  });

  test('refuses other lengths and nothing at all', () => {
    expect(() => difference(row(1, 2), row(1), 1)).toThrow('2 logits against 1');
    expect(() => difference(row(), row(), 1)).toThrow();
    expect(() => difference(row(1, 2, 3), row(1, 2, 3), 2)).toThrow();
  });

  test('counts rows with the same best logit', () => {
    expect(difference(row(1, 2, 4, 3), row(1, 2, 3, 4), 2).sameTop).toBe(0.5);
  });

  test('joined: means weigh rows', () => {
    const part = (meanKl: number, rows: number) => ({
      maxAbs: rows,
      maxKl: meanKl,
      meanKl,
      sameTop: meanKl / 2,
      rows,
    });
    expect(joined([part(1, 1), part(2, 3)])).toEqual({
      maxAbs: 3,
      maxKl: 2,
      meanKl: 1.75,
      sameTop: 0.875,
      rows: 4,
    });
  });
});

test('atMost refuses NaN', () => {
  expect(() => atMost(NaN, 1, 'x')).toThrow('x is NaN');
  expect(() => atMost(2, 1, 'x')).toThrow('x is 2, more than 1');
  atMost(1, 1, 'x');
});

test('sameBits tells zeros apart and refuses NaN', () => {
  sameBits(row(1, -0), row(1, -0));
  expect(() => sameBits(row(0), row(-0))).toThrow();
  expect(() => sameBits(row(NaN), row(NaN))).toThrow();
  expect(() => sameBits(row(1), row(1, 2))).toThrow();
});

test('sameGreedy compares up to the first close call', () => {
  expect(sameGreedy([1, 2, 9], [1, 2, 3], [1, 1, 0.1], 0.1, 'x')).toBe(2);
  expect(() => sameGreedy([1, 9, 3], [1, 2, 3], [1, 1, 1], 0.1, 'x')).toThrow('id 1 is 9, not 2');
  expect(() => sameGreedy([1], [1, 2], [1, 1], 0.1, 'x')).toThrow();
  expect(sameGreedy([], [1], [NaN], 0.1, 'x')).toBe(0);
});
