/** Speculative sampling preserves the distribution after the whole chain, whatever the proposals are drawn from. */
import { describe, expect, test } from 'vitest';
import { createSampler } from '../../src/engine/sampler.ts';
import { chainProbabilities } from '../../src/engine/sampling/chain.ts';
import { defaultChain, resolveSampling, type SamplerOptions } from '../../src/engine/sampling/options.ts';
import { seededRandom } from '../../src/engine/sampling/random.ts';
import { follows, gaussianLogits } from './chi-square.ts';

const VOCABULARY = 60;
const DRAWS = 20_000;
const target = gaussianLogits(VOCABULARY, seededRandom(1));
const noise = gaussianLogits(VOCABULARY, seededRandom(2));
/** Drafts from nearly the same to the opposite. */
const DRAFTS: [string, Float32Array][] = [
  ['the same', target],
  ['much alike', target.map((x, i) => x + noise[i]! / 4)],
  ['unrelated', noise],
  ['the opposite', target.map((x) => -x)],
];
const CHAINS: [string, SamplerOptions][] = [
  ['defaults', {}],
  ['temperature only', { topK: 0, topP: 1, minP: 0, temperature: 1 }],
  ['hot, top-k', { topK: 12, topP: 1, minP: 0, temperature: 1.5 }],
  ['typical', { topK: 0, topP: 1, minP: 0, typicalP: 0.8, temperature: 1 }],
  ['penalties', { topK: 0, minP: 0, temperature: 1, repeatPenalty: 1.5, presencePenalty: 1 }],
  ['biases', { topK: 0, topP: 0.9, logitBias: new Map([[3, 4], [5, -Infinity]]) }], // prettier-ignore
];
const HISTORY = [1, 2, 3, 3, 7];

describe.each(CHAINS)('%s', (_, options) => {
  const chain = defaultChain(resolveSampling(options, VOCABULARY));
  const expected = chainProbabilities(target, chain, HISTORY);

  test.each(DRAFTS)('proposals from %s', (name, logits) => {
    const draft = createSampler({ ...options, seed: 11 }, VOCABULARY);
    const judge = createSampler({ ...options, seed: 12 }, VOCABULARY);
    const counts = new Float64Array(VOCABULARY);
    let accepted = 0;
    for (let i = 0; i < DRAWS; i++) {
      const { id, distribution } = draft.propose({ values: logits }, HISTORY);
      const verdict = judge.judge({ values: target }, HISTORY, id, distribution);
      if (verdict.accepted && verdict.id !== id) throw new Error(`accepted ${id}, returned ${verdict.id}`);
      accepted += Number(verdict.accepted);
      counts[verdict.id]!++;
    }
    follows(counts, expected, DRAWS);
    // The rate of acceptance is the mass that both distributions have in common: as high as it can be.
    const q = chainProbabilities(logits, chain, HISTORY);
    const common = expected.reduce((sum, p, id) => sum + Math.min(p, q[id]!), 0);
    expect(Math.abs(accepted / DRAWS - common)).toBeLessThan(4 * Math.sqrt(0.25 / DRAWS));
    if (name === 'the same') expect(accepted).toBe(DRAWS);
  });

  test('a certain proposal: what plain sampling draws', () => {
    const plain = createSampler({ ...options, seed: 5 }, VOCABULARY);
    const judge = createSampler({ ...options, seed: 5 }, VOCABULARY);
    for (let i = 0; i < 500; i++) {
      const { id } = plain.sample({ values: target }, HISTORY);
      expect(judge.judge({ values: target }, HISTORY, i % VOCABULARY)).toEqual({
        id,
        accepted: id === i % VOCABULARY,
      });
    }
  });

  test('greedy: the likeliest token, accepted where proposed', () => {
    const sampler = createSampler({ ...options, temperature: 0 }, VOCABULARY);
    const { id, distribution } = sampler.propose({ values: target }, HISTORY);
    expect(distribution).toBeUndefined();
    expect(sampler.judge({ values: target }, HISTORY, id)).toEqual({ id, accepted: true });
    expect(sampler.judge({ values: target }, HISTORY, id + 1)).toEqual({ id, accepted: false });
  });
});

test('a draft of another size leaves nothing behind', () => {
  const small = createSampler({ temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 }, 4);
  const large = createSampler({ temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 }, VOCABULARY);
  const { id, distribution } = small.propose({ values: Float32Array.of(9, 9, 0, 0) }, []);
  large.judge({ values: target }, [], id, distribution);
  const exact = large.propose({ values: target }, []);
  expect(large.judge({ values: target }, [], exact.id, exact.distribution).accepted).toBe(true);
});
