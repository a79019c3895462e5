import { describe, expect, test } from 'vitest';
import { expNegative } from '../../src/engine/sampling/exp.ts';
import { seededRandom, xoshiro128 } from '../../src/engine/sampling/random.ts';

describe('xoshiro128**', () => {
  test('gives the published outputs for state 1, 2, 3, 4', () => {
    const random = xoshiro128([1, 2, 3, 4]);
    expect(Array.from({ length: 10 }, () => random.uint32())).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });
  test('fills [0, 1) evenly, whatever the seed', () => {
    for (const seed of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const random = seededRandom(seed);
      const buckets = new Float64Array(100);
      for (let i = 0; i < 100_000; i++) buckets[Math.floor(random.next() * 100)]!++;
      const chi = buckets.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
      expect(chi).toBeLessThan(99 + 4 * Math.sqrt(198));
    }
  });
});

describe('expNegative', () => {
  test('is e^x to ten digits', () => {
    for (let x = 0; x > -700; x -= 0.0371) {
      expect(Math.abs(expNegative(x) / Math.exp(x) - 1)).toBeLessThan(1e-10);
    }
    expect(expNegative(0)).toBe(1);
    expect(expNegative(-0)).toBe(1);
  });
  test('far below it is 0', () => {
    expect(expNegative(-701)).toBe(0);
    expect(expNegative(-Infinity)).toBe(0);
  });
});
