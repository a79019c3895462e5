/** What is left out before the chain begins could not have come out of it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSampler } from '../../src/engine/sampler.ts';
import { chainProbabilities } from '../../src/engine/sampling/chain.ts';
import { defaultChain, resolveSampling, type SamplerOptions } from '../../src/engine/sampling/options.ts';
import { createPreselection } from '../../src/engine/sampling/preselection.ts';
import { gaussianLogits } from './chi-square.ts';
import { seededRandom } from '../../src/engine/sampling/random.ts';

const SIZE = 2000;
const id = fc.integer({ min: 0, max: SIZE - 1 });
const options = fc.record({
  topK: fc.integer({ min: 1, max: 60 }),
  topP: fc.constantFrom(0.5, 0.95, 1),
  minP: fc.constantFrom(0, 0.05),
  typicalP: fc.constantFrom(0.7, 1),
  temperature: fc.constantFrom(0.1, 1, 3),
  repeatPenalty: fc.constantFrom(0.5, 1, 1.3),
  presencePenalty: fc.constantFrom(-3, 0, 3),
  repeatLastN: fc.constantFrom(-1, 0, 5, 64),
  logitBias: fc
    .array(fc.tuple(id, fc.constantFrom(-Infinity, -5, 5)), { maxLength: 8 })
    .map((entries) => new Map(entries)),
});

test('the same distribution as from the whole vocabulary, bit for bit', () => {
  let used = 0;
  fc.assert(
    fc.property(options, fc.array(id, { maxLength: 150 }), fc.nat(), (given, history, seed) => {
      const random = seededRandom(seed);
      // Rounded: some are equal, and the best are among the history.
      const logits = gaussianLogits(SIZE, random).map((x) => Math.round(x * 32) / 16);
      const best = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!).slice(0, 10);
      const past = [...history, ...best];
      const resolved = resolveSampling(given as SamplerOptions, SIZE);
      if (createPreselection(resolved, SIZE)!(past)) used++;
      const expected = chainProbabilities(logits, defaultChain(resolved), past);
      const { distribution } = createSampler({ ...given, seed: 1 }, SIZE).propose({ values: logits }, past);
      const found = new Float32Array(SIZE);
      distribution!.ids.forEach((token, i) => (found[token] = distribution!.probabilities[i]!));
      expect(found).toEqual(expected);
    }),
    { numRuns: 200 },
  );
  expect(used).toBeGreaterThan(150);
});

// The standard deviation is that of all.
test.each([{ topK: 0 }, { topNSigma: 2 }])('%j: nothing is left out', (given) => {
  expect(createPreselection(resolveSampling(given, SIZE), SIZE)).toBeUndefined();
});

test('nor where much is asked for', () => {
  expect(createPreselection(resolveSampling({ topK: 400 }, SIZE), SIZE)!([])).toBeUndefined();
  expect(createPreselection(resolveSampling({ topK: 600 }, 100_000), 100_000)!([])).toBeUndefined();
});
