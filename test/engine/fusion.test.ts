/** Fused operations compute what their parts compute one by one. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { FUSIONS, splitOf, type Fusion } from '../../src/engine/fusion.ts';
import type { LoadOptions } from '../../src/engine/types.ts';
import { UsageError } from '../../src/errors.ts';
import { atMost, sameBits } from '../oracle/compare.ts';
import { greedyIds, withModel } from '../oracle/models.ts';
import { GEMMA3, k, legacy, QWEN3, someIds, TINY_CHAT } from './fixtures.ts';

const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/models/${path}`, import.meta.url));
const NAMES = Object.keys(FUSIONS) as Fusion[];
const IDS = someIds(70);

const MODELS: [name: string, path: string, options: LoadOptions][] = [
  ['norms after the branches, windows', GEMMA3, {}],
  ['norms of heads', QWEN3, { kvType: 'q8_0' }],
  ['LayerNorm, biases, no gate', fixture('gpt2/gpt2.F32.gguf'), {}],
  ['experts', fixture('../gguf/llama-quant-moe.MXFP4_MOE.gguf'), {}],
  ['Q4_0', legacy('Q4_0'), {}],
  ['Q4_K_M, two segments', k('Q4_K_M'), { segmentLimit: 60_000 }],
];

function logits(path: string, options: LoadOptions): Promise<Float32Array> {
  return withModel(path, { contextSize: 128, batchSize: 33, ...options }, (model) => model.logits(IDS));
}

function largestError(actual: Float32Array, expected: Float32Array): number {
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / scale;
}

describe.each(MODELS)('%s', (_, path, options) => {
  test('norm, gate and cache: the same bits, alone and together', async () => {
    const expected = await logits(path, options);
    for (const split of [['norm'], ['gate'], ['cache'], ['norm', 'gate', 'cache']] as Fusion[][]) {
      const fuse = NAMES.filter((name) => !split.includes(name));
      sameBits(await logits(path, { ...options, fuse }), expected, `without ${split.join()}`);
    }
  });

  test('adding the residual afterwards: within rounding', async () => {
    // The sum begins with the residual or ends with it: another order of f32 additions.
    const exact: LoadOptions = { ...options, activations: 'f32', kvType: 'f32' };
    const expected = await logits(path, exact);
    for (const fuse of [false, NAMES.filter((name) => name !== 'add')] as const) {
      const actual = await logits(path, { ...exact, fuse });
      atMost(largestError(actual, expected), 5e-5, 'largest error, of the largest logit');
    }
    const rounded = largestError(
      await logits(path, { ...options, fuse: false }),
      await logits(path, options),
    );
    atMost(rounded, 0.03, 'the same with int8 activations');
  });
});

test('one token at a time: the same answer', async () => {
  const answer = (options: LoadOptions) =>
    withModel(TINY_CHAT, options, (model) => greedyIds(model, IDS.slice(0, 9), 40));
  const expected = await answer({});
  expect(await answer({ fuse: [] })).toEqual(expected);
  expect(await answer({ fuse: false, threads: 3 })).toEqual(expected);
  expect(await answer({ fuse: true })).toEqual(expected);
});

test('what is undone', () => {
  expect(splitOf(undefined)).toEqual([]);
  expect(splitOf(true)).toEqual([]);
  expect(splitOf(false)).toEqual(NAMES);
  expect(splitOf(['gate'])).toEqual(NAMES.filter((name) => name !== 'gate'));
  expect(() => splitOf(['rope' as Fusion])).toThrow(UsageError);
});
