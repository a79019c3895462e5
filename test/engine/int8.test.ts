/** W8A8 models: the twin's logits, the same bits however the work is cut, and clear refusals. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { LoadOptions } from '../../src/engine/types.ts';
import { near } from '../kernels/check.ts';
import { sameBits } from '../oracle/compare.ts';
import { greedyIds, withModel } from '../oracle/models.ts';
import { AVAILABLE } from '../oracle/variants.ts';
import { someIds } from './fixtures.ts';
import { Int8Twin, makeInt8Model, SIZES, writeInt8Model, type Int8Model } from './int8-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'nibble-int8-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const KINDS = ['opt', 'llama'] as const;
/** Of models with no number close to a half: see the first test. */
const SEEDS = { opt: 1, llama: 6 };
const made = (kind: 'opt' | 'llama') =>
  writeInt8Model(makeInt8Model(kind, SEEDS[kind]), join(folder, `${kind}.gguf`));
const logits = (path: string, ids: readonly number[], options: LoadOptions) =>
  withModel(path, { contextSize: 128, ...options }, (model) => model.logits(ids));

describe.each(KINDS)('%s', (kind) => {
  test.each(AVAILABLE)('logits of the twin, %s', async (variant) => {
    const path = await made(kind);
    const ids = someIds(7);
    const twin = new Int8Twin(makeInt8Model(kind, SEEDS[kind]));
    const expected = twin.logits(ids).flat();
    // Numbers are rounded thousands of times; here none is so close to a half that f32 could round it otherwise.
    expect(twin.margin).toBeGreaterThan(1e-4);
    for (const activations of ['int8', 'f32'] as const) {
      const actual = await logits(path, ids, { variant, activations, kvType: 'f32' });
      near(actual, expected, () => 1e-4, `${activations} activations`);
    }
  });

  const SPLITS = [
    [2, 1],
    [3, 16],
    [8, 5],
    [1, 3],
  ] as const;
  test.each(AVAILABLE)('the same bits on any threads, in any batches, %s', async (variant) => {
    const path = await made(kind);
    const ids = someIds(97);
    for (const kvType of ['f16', 'q8_0'] as const) {
      const expected = await logits(path, ids, { variant, kvType, threads: 1, batchSize: 97 });
      for (const [threads, batchSize] of SPLITS) {
        const actual = await logits(path, ids, { variant, kvType, threads, batchSize });
        sameBits(actual, expected, `${threads} threads, batches of ${batchSize}, ${kvType}`);
      }
    }
  });

  test('generates the same ids one by one as their logits say', async () => {
    await withModel(await made(kind), { contextSize: 128 }, async (model) => {
      const ids = someIds(9);
      const answer = await greedyIds(model, ids, 20);
      const all = await model.logits([...ids, ...answer]);
      for (const [i, id] of answer.entries()) {
        const row = all.subarray((8 + i) * SIZES.vocabulary, (9 + i) * SIZES.vocabulary);
        expect(row.indexOf(Math.max(...row))).toBe(id);
      }
    });
  });
});

test('opt: keys and values are whole numbers, which every type of cache keeps', async () => {
  const path = await made('opt');
  const ids = someIds(80);
  const expected = await logits(path, ids, { kvType: 'f32' });
  for (const kvType of ['f16', 'q8_0'] as const)
    sameBits(await logits(path, ids, { kvType }), expected, kvType);
});

describe('refusals', () => {
  const REFUSED: [
    name: string,
    kind: 'opt' | 'llama',
    change: (model: Int8Model) => void,
    message: RegExp,
  ][] = [
    [
      'no scale',
      'opt',
      ({ tensors }) => tensors.delete('blk.1.ffn_up.scale'),
      /tensor blk\.1\.ffn_up\.scale is missing/,
    ],
    [
      'no scale of attention',
      'opt',
      ({ tensors }) => tensors.delete('blk.0.attn_pv.scale'),
      /tensor blk\.0\.attn_pv\.scale is missing/,
    ],
    [
      'a scale of NaN',
      'opt',
      scale('blk.0.attn_qk.scale', NaN),
      /tensor blk\.0\.attn_qk\.scale: a scale is NaN/,
    ],
    [
      'a scale of 0',
      'llama',
      scale('blk.0.ffn_down.input_scale', 0),
      /tensor blk\.0\.ffn_down\.input_scale: a scale is 0; it must be/,
    ],
    [
      'one bad scale of many',
      'llama',
      scale('blk.1.attn_output.scale', Infinity, 17),
      /tensor blk\.1\.attn_output\.scale: a scale is Infinity/,
    ],
    ['a negative scale', 'llama', scale('blk.1.ffn_gate.scale', -1), /a scale is -1/],
    [
      'too few scales',
      'llama',
      ({ tensors }) => tensors.set('blk.0.attn_q.scale', { shape: [2], values: Float32Array.of(1, 1) }),
      /tensor blk\.0\.attn_q\.scale has shape 2; expected 64/,
    ],
    [
      'many input scales',
      'llama',
      ({ tensors }) => tensors.set('blk.0.attn_q.input_scale', { shape: [2], values: Float32Array.of(1, 1) }),
      /tensor blk\.0\.attn_q\.input_scale has shape 2; expected 1/,
    ],
    [
      'a scale of whole numbers',
      'llama',
      ({ tensors }) => tensors.set('blk.0.attn_q.scale', { shape: [1], values: Int8Array.of(1) }),
      /tensor blk\.0\.attn_q\.scale has type I8; scales must be F32/,
    ],
    [
      'unequal scales of one input',
      'llama',
      scale('blk.0.attn_k.input_scale', 0.5),
      /attn_q\.weight, .* read the same input, but have different input scales/,
    ],
    [
      'int8 attention with rotary positions',
      'llama',
      ({ tensors }) => tensors.set('blk.0.attn_qk.scale', { shape: [1], values: Float32Array.of(1) }),
      /attn_qk\.scale: int8 attention is for decoders with learned positions/,
    ],
    [
      'an embedding of type I8',
      'opt',
      ({ tensors }) => {
        const { shape, values } = tensors.get('token_embd.weight')!;
        tensors.set('token_embd.weight', { shape, values: Int8Array.from(values) });
      },
      /token_embd\.weight: type I8 is only for linear layers/,
    ],
  ];

  function scale(name: string, value: number, at = 0): (model: Int8Model) => void {
    return ({ tensors }) => (tensors.get(name)!.values[at] = value);
  }

  test.each(REFUSED)('%s', async (name, kind, change, message) => {
    const model = makeInt8Model(kind, SEEDS[kind]);
    change(model);
    const path = await writeInt8Model(model, join(folder, `${name}.gguf`));
    await expect(withModel(path, {}, () => Promise.resolve())).rejects.toMatchObject({
      code: 'ERR_MODEL',
      message: expect.stringMatching(message) as string,
    });
  });
});
