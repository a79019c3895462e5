import { describe, expect, test } from 'vitest';
import { ModelError, UsageError } from '../../src/errors.ts';
import { SAMPLING_DEFAULTS, createSampler } from '../../src/engine/sampler.ts';
import { chainProbabilities } from '../../src/engine/sampling/chain.ts';
import { type SamplerOptions, defaultChain, resolveSampling } from '../../src/engine/sampling/options.ts';
import { seededRandom } from '../../src/engine/sampling/random.ts';
import { follows, gaussianLogits } from './chi-square.ts';

describe('what is drawn follows the distribution', () => {
  const cases: [string, SamplerOptions][] = [
    ['defaults', {}],
    ['temperature only', { topK: 0, topP: 1, minP: 0, temperature: 1 }],
    ['typical', { topK: 0, topP: 1, minP: 0, typicalP: 0.8, temperature: 1 }],
    ['dynamic temperature', { topK: 20, dynamicTemperatureRange: 0.5 }],
  ];
  test.each(cases)('%s', (_, options) => {
    const logits = gaussianLogits(300, seededRandom(1));
    const draws = 20_000;
    const sampler = createSampler({ ...options, seed: 42 }, logits.length);
    const expected = chainProbabilities(logits, defaultChain(resolveSampling(options, logits.length)));
    const counts = new Float64Array(logits.length);
    for (let i = 0; i < draws; i++) {
      const { id, probability } = sampler.sample({ values: logits }, []);
      counts[id]!++;
      expect(probability).toBeCloseTo(expected[id]!, 6);
    }
    follows(counts, expected, draws);
  });
});

describe('seeds', () => {
  const logits = gaussianLogits(1000, seededRandom(1));
  const run = (seed?: number): number[] => {
    const sampler = createSampler({ seed }, logits.length);
    return Array.from({ length: 30 }, () => sampler.sample({ values: logits }, []).id);
  };
  test('the same seed draws the same tokens, another seed others', () => {
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });
  test('samplers share no state', () => {
    const a = createSampler({ seed: 7 }, logits.length);
    const b = createSampler({ seed: 9 }, logits.length);
    const drawn = Array.from({ length: 30 }, () => {
      b.sample({ values: logits }, []);
      return a.sample({ values: logits }, []).id;
    });
    expect(drawn).toEqual(run(7));
  });
  test('without a seed (or -1) each sampler has its own, and names it', () => {
    const sampler = createSampler({ seed: -1 }, logits.length);
    const drawn = Array.from({ length: 30 }, () => sampler.sample({ values: logits }, []).id);
    expect(run(sampler.seed)).toEqual(drawn);
    expect(createSampler({}, 10).seed).not.toBe(createSampler({}, 10).seed);
  });
});

describe('greedy', () => {
  const logits = Float32Array.from([0, 3, 1, 3, 2]);
  test('temperature 0 takes the largest logit, the first of equals', () => {
    const sampler = createSampler({ temperature: 0, typicalP: 0.1 }, 5);
    expect(sampler.greedy).toBe(true);
    expect(sampler.sample({ values: logits }, [])).toEqual({ id: 1, probability: 1 });
  });
  test('penalties and biases still apply', () => {
    const penalized = createSampler({ temperature: 0, repeatPenalty: 2 }, 5);
    expect(penalized.sample({ values: logits }, [1, 1, 3]).id).toBe(4);
    const banned = createSampler({ temperature: 0, logitBias: new Map([[1, -Infinity]]) }, 5);
    expect(banned.sample({ values: logits }, []).id).toBe(3);
  });
  test('a vocabulary of one token', () => {
    for (const temperature of [0, 1]) {
      expect(createSampler({ temperature }, 1).sample({ values: Float32Array.of(-3) }, []).id).toBe(0);
    }
  });
});

describe('penalties', () => {
  const logits = Float32Array.from([1, 1, 1]);
  const first = (options: SamplerOptions, history: number[]): number =>
    createSampler({ temperature: 0, presencePenalty: 1, ...options }, 3).sample({ values: logits }, history)
      .id;
  test('repeatLastN bounds the window; -1 is the whole history; 0 is off', () => {
    const history = [0, ...Array<number>(100).fill(2)];
    expect(first({}, history)).toBe(0);
    expect(first({ repeatLastN: -1 }, history)).toBe(1);
    expect(first({ repeatLastN: 0 }, history)).toBe(0);
  });
  test('ids outside the vocabulary are ignored, and nothing is left over for the next call', () => {
    expect(first({}, [-1, 99, 0])).toBe(1);
    expect(first({}, [])).toBe(0);
  });
});

describe('bad logits', () => {
  test.each([NaN, Infinity, -Infinity])('%s is a ModelError, sampled or greedy', (value) => {
    for (const [temperature, position] of [
      [0, 0],
      [0.8, 6],
    ] as const) {
      const logits = new Float32Array(7);
      logits[position] = value;
      const sample = (): unknown => createSampler({ temperature }, 7).sample({ values: logits }, []);
      expect(sample).toThrow(ModelError);
      expect(sample).toThrow(
        `1 of 7 logits as NaN or Infinity (the first at token id ${position}: ${value})`,
      );
    }
  });
  test('a wrong number of logits', () => {
    expect(() => createSampler({}, 7).sample({ values: new Float32Array(6) }, [])).toThrow(UsageError);
  });
  test('a bias against every token', () => {
    const logitBias = new Map([0, 1].map((id) => [id, -Infinity]));
    for (const temperature of [0, 0.8]) {
      const sampler = createSampler({ temperature, logitBias }, 2);
      expect(() => sampler.sample({ values: new Float32Array(2) }, [])).toThrow('ban all');
    }
  });
});

describe('options', () => {
  test('the defaults are those of llama.cpp’s command line', () => {
    expect(SAMPLING_DEFAULTS).toMatchObject({
      temperature: 0.8,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      typicalP: 1,
      repeatPenalty: 1,
      repeatLastN: 64,
    });
    expect(resolveSampling({ topK: undefined, topP: 0.5 }, 10)).toEqual({ ...SAMPLING_DEFAULTS, topP: 0.5 });
  });
  const bad: [keyof SamplerOptions, unknown][] = [
    ['temperature', NaN],
    ['temperature', '0.8'],
    ['topK', 1.5],
    ['topK', -2],
    ['topP', 1.1],
    ['topP', -0.1],
    ['minP', 2],
    ['typicalP', null],
    ['repeatPenalty', 0],
    ['frequencyPenalty', Infinity],
    ['repeatLastN', -2],
    ['seed', -5],
    ['seed', 0.5],
    ['logitBias', { 1: 2 }],
    ['logitBias', new Map([[10, 1]])],
    ['logitBias', new Map([[1, Infinity]])],
    ['logitBias', new Map([[1, NaN]])],
  ];
  test.each(bad)('%s %s is a UsageError that names it', (name, value) => {
    const create = (): unknown => createSampler({ [name]: value }, 10);
    expect(create).toThrow(UsageError);
    expect(create).toThrow(name);
  });
  test('extremes give a token, never NaN', () => {
    const logits = gaussianLogits(50, seededRandom(1));
    for (const options of [
      { temperature: 1e-7 },
      { temperature: 1e6 },
      { topP: 0 },
      { minP: 1 },
      { typicalP: 0 },
      { topNSigma: 1e-9 },
      { topK: 1e9, minKeep: 1000 },
      { logitBias: new Map([[3, 1e9]]) },
    ]) {
      const { id, probability } = createSampler({ ...options, seed: 1 }, 50).sample(
        { values: logits },
        [1, 2],
      );
      expect(id).toBeGreaterThanOrEqual(0);
      expect(probability).toBeGreaterThan(0);
    }
  });
});

describe('logprobs', () => {
  test('log softmax of the raw logits, best first', () => {
    const logits = gaussianLogits(500, seededRandom(1));
    const sum = logits.reduce((total, x) => total + Math.exp(x), 0);
    const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!);
    const sampler = createSampler({ temperature: 0.1, topK: 1 }, 500);
    for (const n of [0, 1, 20, 500, 600]) {
      const { logprob, top } = sampler.logprobs(logits, 123, n);
      expect(logprob).toBeCloseTo(logits[123]! - Math.log(sum), 6);
      expect(top.map(({ id }) => id)).toEqual(order.slice(0, n));
      for (const each of top) expect(each.logprob).toBeCloseTo(logits[each.id]! - Math.log(sum), 6);
    }
  });
  test('arguments are checked', () => {
    const sampler = createSampler({}, 4);
    expect(() => sampler.logprobs(new Float32Array(4), 4, 1)).toThrow(UsageError);
    expect(() => sampler.logprobs(new Float32Array(4), 0, -1)).toThrow(UsageError);
    expect(() => sampler.logprobs(new Float32Array(4).fill(NaN), 0, 1)).toThrow(ModelError);
  });
});
