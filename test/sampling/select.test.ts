/** Selection without sorting, against sorting everything. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chainProbabilities } from '../../src/engine/sampling/chain.ts';

/** Up to 3000 logits, so that the histogram path runs as well; few distinct values make ties. */
const logitsArbitrary = fc
  .record({
    n: fc.integer({ min: 1, max: 3000 }),
    seed: fc.integer({ min: 0, max: 1e6 }),
    spread: fc.constantFrom(0, 1e-3, 1, 10, 100),
    levels: fc.constantFrom(3, 50, 1 << 20),
  })
  .map(({ n, seed, spread, levels }) =>
    Float32Array.from({ length: n }, (_, i) => {
      const hash = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b);
      const mixed = (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0) / 2 ** 32;
      return (Math.floor(mixed * levels) / levels - 0.5) * spread;
    }),
  );

function softmax(logits: Float32Array): Float64Array {
  const max = logits.reduce((a, b) => Math.max(a, b));
  const weights = Float64Array.from(logits, (x) => Math.exp(x - max));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / sum);
}

const kept = (probs: Float32Array): number[] => [...probs.keys()].filter((id) => probs[id]! > 0);

describe('selection', () => {
  test('on the border: top-p needs to reach p, typical to exceed it', () => {
    const coin = Float32Array.of(1, 1);
    expect([...chainProbabilities(coin, [{ type: 'top_p', p: 0.5 }])]).toEqual([1, 0]);
    expect([...chainProbabilities(coin, [{ type: 'typical', p: 0.5 }])]).toEqual([0.5, 0.5]);
  });

  test('top-k keeps the k largest, the lower ids of equals', () => {
    fc.assert(
      fc.property(logitsArbitrary, fc.integer({ min: 1, max: 3000 }), (logits, k) => {
        const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, k);
        // Everything stays above f32's smallest number when the logits are divided by 10.
        const probs = chainProbabilities(logits, [
          { type: 'top_k', k },
          { type: 'temperature', t: 10 },
        ]);
        expect(kept(probs)).toEqual(order.sort((a, b) => a - b));
      }),
      { numRuns: 60 },
    );
  });

  test('top-p keeps the shortest prefix that reaches p', () => {
    fc.assert(
      fc.property(
        logitsArbitrary,
        fc.double({ min: 0.01, max: 0.999, noNaN: true }),
        fc.integer({ min: 1, max: 600 }),
        (logits, p, min_keep) => {
          const probs = softmax(logits);
          const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
          const actual = kept(
            chainProbabilities(logits, [
              { type: 'top_p', p, min_keep },
              { type: 'temperature', t: 10 },
            ]),
          );
          // The same ids as the prefix of the same length, which is right to within rounding of the sum.
          const prefix = order.slice(0, actual.length);
          expect(actual).toEqual([...prefix].sort((a, b) => a - b));
          const sum = (ids: number[]): number => ids.reduce((total, id) => total + probs[id]!, 0);
          expect(actual.length).toBeGreaterThanOrEqual(Math.min(min_keep, logits.length));
          expect(sum(prefix)).toBeGreaterThan(p - 1e-9);
          if (actual.length > min_keep) expect(sum(prefix.slice(0, -1))).toBeLessThan(p + 1e-9);
        },
      ),
      { numRuns: 60 },
    );
  });
});
