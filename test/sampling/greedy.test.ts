/** The likeliest token, found in the pass that checks the logits: every place, every remainder of four. */
import { describe, expect, it } from 'vitest';
import { createSampler } from '../../src/engine/sampler.ts';

const draw = (logits: Float32Array) =>
  createSampler({ temperature: 0 }, logits.length).sample({ values: logits }, []).id;

describe('greedy', () => {
  const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 13];

  it.each(sizes)('finds the largest of %i wherever it is', (n) => {
    for (let at = 0; at < n; at++) {
      const logits = Float32Array.from({ length: n }, (_, i) => (i === at ? -1 : -2 - ((i * 7) % n)));
      expect(draw(logits)).toBe(at);
    }
  });

  it.each(sizes)('takes the first of equals among %i', (n) => {
    for (let at = 0; at < n; at++) {
      expect(draw(Float32Array.from({ length: n }, (_, i) => (i < at ? 1 : 2)))).toBe(at);
    }
  });

  it.each([NaN, Infinity, -Infinity])('refuses %d wherever it is', (bad) => {
    for (const n of sizes) {
      for (let at = 0; at < n; at++) {
        const logits = new Float32Array(n);
        logits[at] = bad;
        expect(() => draw(logits)).toThrow(`first at token id ${at}`);
      }
    }
  });
});
