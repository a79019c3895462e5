/** What goes into the matmuls: model.observe. */
import { describe, expect, test } from 'vitest';
import type { LoadOptions, Model, Observation } from '../../src/engine/types.ts';
import { closeGguf, getTensor, openGguf, readTensor } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { loadQuantizeModules, QuantizeKernels } from '../../tools/quantize/kernels.ts';
import { EXPERTS, QWEN3, someIds, TINY_CHAT } from './fixtures.ts';

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

describe('experts', () => {
  const ids = someIds(20);

  /** Observations of experts, batch after batch, by tensor. */
  async function ofExperts(model: Model): Promise<Map<string, { chosen: number[]; rows: number[] }>> {
    const found = new Map<string, { chosen: number[]; rows: number[] }>();
    const visit = ({ tensors, width, count, start, rows, experts }: Observation) => {
      if (!experts) return;
      expect([experts.count, experts.chosen.length, rows.length]).toEqual([4, count, count * width]);
      for (const name of tensors) {
        const before = found.get(name) ?? { chosen: [], rows: [] };
        expect(before.chosen).toHaveLength(start * 2);
        found.set(name, {
          chosen: [...before.chosen, ...experts.chosen],
          rows: [...before.rows, ...rows],
        });
      }
    };
    await model.observe(ids, visit, { experts: true });
    return found;
  }

  async function valuesOf(name: string): Promise<Float32Array> {
    const file = await openGguf(EXPERTS, fileSource);
    const tensor = getTensor(file, name);
    const bytes = new Uint8Array(await readTensor(file, tensor));
    await closeGguf(file);
    const kernels = new QuantizeKernels(await loadQuantizeModules());
    const columns = tensor.shape[0]!;
    const rows = tensor.shape.slice(1).reduce((a, b) => a * b, 1);
    return kernels.dequantize(tensor.type, bytes, rows, columns);
  }

  const product = (w: Float32Array, row: number, x: ArrayLike<number>): number => {
    let sum = 0;
    for (let k = 0; k < x.length; k++) sum += w[row * x.length + k]! * x[k]!;
    return sum;
  };

  test('a row per token and expert: the choice is the router’s, the row what its matrices multiply', async () => {
    const weights = async (part: string) => valuesOf(`blk.1.${part}.weight`);
    const [router, gate, up] = [
      await weights('ffn_gate_inp'),
      await weights('ffn_gate_exps'),
      await weights('ffn_up_exps'),
    ];
    await withModel(
      { activations: 'f32' },
      async (model) => {
        const plain = (await inputs(model, ids)).get('blk.1.ffn_gate_inp.weight')!;
        const seen = await ofExperts(model);
        const [into, down] = [seen.get('blk.1.ffn_up_exps.weight')!, seen.get('blk.1.ffn_down_exps.weight')!];
        expect(seen.get('blk.1.ffn_gate_exps.weight')).toEqual(into);
        expect(down.chosen).toEqual(into.chosen);
        expect(new Set(into.chosen).size).toBeGreaterThan(2);
        const width = plain.length / ids.length;
        const inner = down.rows.length / into.chosen.length;
        into.chosen.forEach((expert, pair) => {
          const x = plain.subarray((pair >> 1) * width, ((pair >> 1) + 1) * width);
          expect(into.rows.slice(pair * width, (pair + 1) * width)).toEqual([...x]);
          const scores = [0, 1, 2, 3].map((row) => product(router, row, x));
          expect([...scores].sort((a, b) => b - a)[pair & 1]).toBe(scores[expert]);
          for (const i of [0, 7, inner - 1]) {
            const g = product(gate, expert * inner + i, x);
            const value = (g / (1 + Math.exp(-g))) * product(up, expert * inner + i, x);
            expect(Math.abs(down.rows[pair * inner + i]! - value)).toBeLessThan(1e-3 * (1 + Math.abs(value)));
          }
        });
      },
      EXPERTS,
    );
  });

  test.each<[string, LoadOptions]>([
    ['one by one', { batchSize: 1 }],
    ['in small batches, on one thread', { batchSize: 7, threads: 1 }],
    ['in several segments', { segmentLimit: 100_000 }],
  ])('the same rows %s', async (_, options) => {
    const usual = await withModel({}, ofExperts, EXPERTS);
    expect(await withModel(options, ofExperts, EXPERTS)).toEqual(usual);
    expect(usual.size).toBeGreaterThan(2);
  });

  test('only on request', () =>
    withModel(
      {},
      async (model) => {
        const names: string[] = [];
        await model.observe(ids, ({ tensors }) => names.push(...tensors));
        expect(names.filter((name) => name.includes('_exps'))).toEqual([]);
        expect(names).toContain('blk.0.ffn_gate_inp.weight');
      },
      EXPERTS,
    ));
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
