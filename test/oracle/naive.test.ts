/**
 * Models with experts and latent attention that no golden model covers, random ones, against a naive forward pass; and
 * the same bits on any number of threads, in any batches.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeGguf, openGguf } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { writeRandomModel, type RandomShape } from '../bench/modules.ts';
import { someIds } from '../engine/fixtures.ts';
import { atMost, difference, sameBits } from './compare.ts';
import { withModel } from './models.ts';
import { naiveLogits, SMALL_SHAPE } from './naive-forward.ts';

const VOCABULARY = SMALL_SHAPE.vocabulary;
/** More than a page of the KV cache. */
const IDS = someIds(70, VOCABULARY);

const CASES: { name: string; shape: RandomShape; type: string }[] = [
  {
    name: 'qwen3moe',
    shape: {
      ...SMALL_SHAPE,
      name: 'qwen3moe',
      architecture: 'qwen3moe',
      experts: { count: 6, used: 3, feedForward: 40 },
    },
    type: 'F32',
  },
  {
    name: 'qwen2moe: a shared expert behind a gate',
    shape: {
      ...SMALL_SHAPE,
      name: 'qwen2moe',
      architecture: 'qwen2moe',
      experts: { count: 6, used: 2, feedForward: 40, shared: 2, gated: true },
    },
    type: 'F32',
  },
  {
    name: 'DeepSeek V3: sigmoid, bias, groups by their two best, YaRN',
    shape: {
      ...SMALL_SHAPE,
      name: 'v3',
      architecture: 'deepseek2',
      experts: { count: 16, used: 4, feedForward: 24, shared: 1, dense: 1, bias: true },
      latent: { rank: 32, queryRank: 48, plain: 16, rotary: 8, value: 24 },
      metadata: [
        ['expert_gating_func', 2],
        ['expert_weights_norm', true],
        ['expert_weights_scale', 2.5],
        ['expert_group_count', 4],
        ['expert_group_used_count', 2],
        ['rope.scaling.type', 'yarn'],
        ['rope.scaling.factor', 40],
        ['rope.scaling.original_context_length', 32],
        ['rope.scaling.yarn_log_multiplier', 0.1],
      ],
    },
    type: 'F32',
  },
  {
    name: 'DeepSeek V2: softmax, groups by their best, one projection for keys and values, Q8_0',
    shape: {
      ...SMALL_SHAPE,
      name: 'v2',
      architecture: 'deepseek2',
      experts: { count: 12, used: 3, feedForward: 32, shared: 2, dense: 1 },
      latent: { rank: 64, plain: 32, rotary: 32, value: 40, together: true },
      metadata: [
        ['expert_weights_scale', 16],
        ['expert_group_count', 6],
        ['expert_group_used_count', 3],
      ],
    },
    type: 'Q8_0',
  },
  {
    name: 'DeepSeek V2 with absorbed projections, Q4_0',
    shape: {
      ...SMALL_SHAPE,
      name: 'absorbed',
      architecture: 'deepseek2',
      experts: { count: 8, used: 2, feedForward: 32, shared: 1, dense: 1 },
      latent: { rank: 64, queryRank: 32, plain: 32, rotary: 32, value: 40 },
    },
    type: 'Q4_0',
  },
];

describe.each(CASES)('$name', ({ shape, type }) => {
  let folder = '';
  let path = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nibble-naive-'));
    path = join(folder, `${shape.name}.gguf`);
    await writeRandomModel(path, { shape, type });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('naive forward pass', async () => {
    const file = await openGguf(path, fileSource);
    try {
      const expected = await naiveLogits(file, IDS);
      for (const [kvType, limit] of [
        ['f32', 5e-5],
        ['f16', 0.05],
      ] as const) {
        await withModel(path, { kvType, activations: 'f32' }, async (model) => {
          const { maxAbs } = difference(await model.logits(IDS), expected, VOCABULARY);
          atMost(maxAbs, limit, `max abs with ${kvType}`);
        });
      }
    } finally {
      await closeGguf(file);
    }
  });

  test('a damaged expert is refused', async () => {
    const file = await openGguf(path, fileSource);
    const tensor = file.tensors.find(({ name }) => name === 'blk.1.ffn_down_exps.weight')!;
    await closeGguf(file);
    const bytes = await readFile(path);
    const block = type === 'F32' ? 4 : type === 'Q8_0' ? 34 : 18;
    const at = tensor.offset + tensor.byteLength - block;
    if (type === 'F32') bytes.writeFloatLE(NaN, at);
    else bytes.writeUInt16LE(0x7e00, at);
    const broken = join(folder, 'broken.gguf');
    await writeFile(broken, bytes);
    await expect(withModel(broken, {}, () => Promise.resolve())).rejects.toThrow(tensor.name);
  });

  test('the same bits on any threads and in any batches', async () => {
    const logits = (threads: number, batchSize: number) =>
      withModel(path, { threads, batchSize, contextSize: 128 }, (model) => model.logits(IDS));
    const expected = await logits(1, 128);
    for (const [threads, batch] of [
      [2, 1],
      [8, 1],
      [3, 16],
      [8, 5],
      [2, 3],
    ] as const) {
      sameBits(await logits(threads, batch), expected, `${threads} threads, batches of ${batch}`);
    }
  });
});
