/**
 * Logits depend neither on the number of threads nor on how tokens are split into batches, nor on segments: the
 * same bits. Batches of one go through GEMV, larger ones through GEMM; five and three leave odd tokens over.
 */
import { describe, expect, test } from 'vitest';
import type { LoadOptions } from '../../src/engine/types.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { closeGguf, openGguf } from '../../src/gguf/index.ts';
import { planModel } from '../../src/engine/load.ts';
import { sameBits } from '../oracle/compare.ts';
import { greedyIds, withModel } from '../oracle/models.ts';
import { AVAILABLE } from '../oracle/variants.ts';
import { EXPERTS, GEMMA3, GPT2, k, legacy, PHI3, someIds, TIED_SPM, TINY_CHAT } from './fixtures.ts';

/** More than a page of the KV cache, and six of gemma3's windows. */
const IDS = someIds(97);

const SPLITS: [threads: number, batchSize: number][] = [
  [1, 97],
  [2, 1],
  [3, 16],
  [8, 5],
  [1, 3],
  [2, 2],
];

async function logits(path: string, options: LoadOptions): Promise<Float32Array> {
  return withModel(path, { contextSize: 128, ...options }, (model) => model.logits(IDS));
}

/** As many segments as asked for: the limit is found by planning. */
async function segmentLimit(path: string, segments: number): Promise<number> {
  const file = await openGguf(path, fileSource);
  try {
    const plan = async (limit?: number) =>
      (
        await planModel(file, {
          threads: 1,
          variant: 'simd',
          contextSize: 128,
          ...(limit && { segmentLimit: limit }),
        })
      ).layouts;
    const whole = (await plan())[0]!.weightBytes;
    for (let limit = whole; limit > 0; limit -= Math.ceil(whole / 64)) {
      if ((await plan(limit)).length === segments) return limit;
    }
    throw new Error(`no limit gives ${segments} segments`);
  } finally {
    await closeGguf(file);
  }
}

const CASES: [name: string, path: string, options: LoadOptions][] = [
  ['F32, window, f16 KV', GEMMA3, { kvType: 'f16' }],
  ['F32, window, q8_0 KV', GEMMA3, { kvType: 'q8_0' }],
  ['F32, window, f32 KV', GEMMA3, { kvType: 'f32' }],
  ['F32, tied, f32 KV', TIED_SPM, { kvType: 'f32' }],
  ['F32, learned positions, no gate', GPT2, {}],
  ['F32, fused tensors', PHI3, {}],
  ['Q8_0, f32 activations', legacy('Q8_0'), { activations: 'f32' }],
  ['Q4_K_M, f32 activations', k('Q4_K_M'), { activations: 'f32' }],
  ['MXFP4, experts, f32 activations', EXPERTS, { activations: 'f32' }],
  ...AVAILABLE.flatMap((variant): [string, string, LoadOptions][] => [
    [`Q4_0, f16 KV, ${variant}`, legacy('Q4_0'), { variant, kvType: 'f16' }],
    [`Q4_1, q8_0 KV, ${variant}`, legacy('Q4_1'), { variant, kvType: 'q8_0' }],
    [`Q8_0, f32 KV, ${variant}`, legacy('Q8_0'), { variant, kvType: 'f32' }],
    [`Q4_K_M, f16 KV, ${variant}`, k('Q4_K_M'), { variant, kvType: 'f16' }],
    [`MXFP4, experts, f16 KV, ${variant}`, EXPERTS, { variant, kvType: 'f16' }],
  ]),
];

describe('threads and batches', () => {
  test.each(CASES)('%s', async (_, path, options) => {
    const [first, ...others] = SPLITS;
    const expected = await logits(path, { ...options, threads: first![0], batchSize: first![1] });
    for (const [threads, batchSize] of others) {
      const actual = await logits(path, { ...options, threads, batchSize });
      sameBits(actual, expected, `${threads} threads, batches of ${batchSize}`);
    }
  });
});

describe('segments', () => {
  test.each([
    ['F32, window', GEMMA3, [2, 5, 7]],
    ['Q4_K_M', k('Q4_K_M'), [2]],
    ['Q8_0', TINY_CHAT, [2, 3]],
    ['MXFP4, experts', EXPERTS, [2]],
  ] as const)('%s', async (_, path, counts) => {
    const expected = await withModel(path, { contextSize: 128 }, async (model) => {
      expect(model.info.segments).toBe(1);
      return model.logits(IDS);
    });
    for (const segments of counts) {
      const limit = await segmentLimit(path, segments);
      await withModel(
        path,
        { contextSize: 128, segmentLimit: limit, threads: 3, batchSize: 40 },
        async (model) => {
          expect(model.info.segments).toBe(segments);
          sameBits(await model.logits(IDS), expected, `${segments} segments`);
          sameBits(await model.logits(IDS.slice(0, 1)), expected.subarray(0, model.info.vocabularySize));
        },
      );
    }
  });

  test('greedy ids, one step per token through five segments', async () => {
    const limit = await segmentLimit(GEMMA3, 5);
    const ids = IDS.slice(0, 30);
    const alone = await withModel(GEMMA3, { contextSize: 128 }, (model) => greedyIds(model, ids, 60));
    const cut = await withModel(GEMMA3, { contextSize: 128, segmentLimit: limit, threads: 8 }, (model) =>
      greedyIds(model, ids, 60),
    );
    expect(cut).toEqual(alone);
  });
});
