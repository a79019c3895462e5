/** What goes into the matmuls: model.observe. */
import { describe, expect, test } from 'vitest';
import type { LoadOptions, Model, Observation } from '../../src/engine/types.ts';
import { closeGguf, getTensor, openGguf, readTensor } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { QWEN3, someIds, TINY_CHAT } from './fixtures.ts';

const IDS = someIds(40);

async function withModel<T>(
  options: LoadOptions,
  use: (model: Model) => Promise<T>,
  path = QWEN3,
): Promise<T> {
  const model = await loadModelFile(path, {
    threads: 2,
    variant: 'simd',
    contextSize: 64,
    observe: true,
    ...options,
  });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/** All rows by tensor; throws where a part is missing or comes twice. */
async function inputs(model: Model, ids = IDS, outputs = false): Promise<Map<string, Float32Array>> {
  const found = new Map<string, number[]>();
  const visit = ({ tensors, width, count, start, rows }: Observation) => {
    expect(rows).toHaveLength(count * width);
    for (const name of tensors) {
      const before = found.get(name) ?? [];
      expect(before).toHaveLength(start * width);
      found.set(name, [...before, ...rows]);
    }
  };
  await model.observe(ids, visit, { outputs });
  return new Map([...found].map(([name, values]) => [name, Float32Array.from(values)]));
}

test('the last input times the output matrix makes the logits', async () => {
  const file = await openGguf(QWEN3, fileSource);
  const names = file.tensors.map(({ name }) => name);
  const tensor = getTensor(file, names.includes('output.weight') ? 'output.weight' : 'token_embd.weight');
  const weights = new Float32Array((await readTensor(file, tensor)).buffer);
  await closeGguf(file);
  await withModel({}, async (model) => {
    const seen = await inputs(model, IDS, true);
    const x = seen.get(tensor.name)!;
    const logits = await model.logits(IDS);
    const [width, rows] = tensor.shape as [number, number];
    expect(x).toHaveLength(IDS.length * width);
    for (const position of [0, 17, IDS.length - 1]) {
      for (const token of [0, 5, rows - 1]) {
        let sum = 0;
        for (let k = 0; k < width; k++) sum += x[position * width + k]! * weights[token * width + k]!;
        expect(Math.abs(sum - logits[position * rows + token]!)).toBeLessThan(1e-4);
      }
    }
    // Every matrix of every layer, and none twice.
    const matrices = names.filter((name) => /^blk\..*(attn_[qkv]|attn_output|ffn_\w+)\.weight$/.test(name));
    const wanted = matrices.filter((name) => !name.includes('norm'));
    expect([...seen.keys()].sort()).toEqual([...wanted, tensor.name].sort());
  });
});

describe('the same rows, whatever the way', () => {
  test.each<[string, LoadOptions]>([
    ['one by one', { batchSize: 1 }],
    ['in small batches, on one thread', { batchSize: 7, threads: 1 }],
    ['in several segments', { segmentLimit: 100_000 }],
    ['with f32 activations', { activations: 'f32' }],
  ])('%s', async (_, options) => {
    const usual = await withModel({}, inputs);
    const other = await withModel(options, inputs);
    expect(other).toEqual(usual);
  });

  test('with a quantized model, while others generate', async () => {
    const ids = someIds(40, 1280);
    await withModel(
      { contextSize: 256 },
      async (model) => {
        const alone = await inputs(model, ids);
        const generation = (async () => {
          let text = '';
          for await (const part of model.generate('What', { temperature: 0, maxTokens: 12 }))
            text += part.text;
          return text;
        })();
        expect(await inputs(model, ids)).toEqual(alone);
        expect((await generation).length).toBeGreaterThan(0);
      },
      TINY_CHAT,
    );
  });
});

test('refuses where nothing is kept, and ids that do not fit', async () => {
  await withModel({ observe: false }, (model) =>
    expect(model.observe(IDS, () => undefined)).rejects.toThrow(/observe: true/),
  );
  await withModel({}, async (model) => {
    await expect(model.observe(someIds(65), () => undefined)).rejects.toMatchObject({
      code: 'ERR_CONTEXT_OVERFLOW',
    });
    await expect(model.observe([100_000], () => undefined)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    // The sequences of those calls hold no pages any more.
    expect((await inputs(model, someIds(64))).size).toBeGreaterThan(0);
  });
});
