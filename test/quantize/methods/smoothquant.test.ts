/** SmoothQuant's files: what their tensors hold, and that the engine runs them about as well as the original. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeGguf, openGguf, readTensor, getTensor, type GgufFile } from '../../../src/gguf/index.ts';
import { fileSource } from '../../../src/platform/node/file-source.ts';
import { loadModelFile } from '../../../src/platform/node/load-model.ts';
import { quantizeFile } from '../../../tools/quantize/quantize.ts';
import { EXPERTS, QWEN3, someIds, TIED_SPM } from '../../engine/fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble smooth '));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function make(path: string, options: { alpha?: number; perTensor?: boolean } = {}): Promise<string> {
  const output = join(folder, 'smooth.gguf');
  const text = new TextEncoder().encode('the quick brown fox jumps over the lazy dog '.repeat(30));
  const calibration = { text, name: 'fox', chunkSize: 32, chunks: 8 };
  await quantizeFile(path, output, {
    type: 'F32',
    threads: 2,
    method: { name: 'smoothquant', calibration, ...options },
  });
  return output;
}

const floats = async (file: GgufFile, name: string): Promise<Float32Array> =>
  new Float32Array((await readTensor(file, getTensor(file, name))).slice().buffer);

async function logitsOf(path: string): Promise<Float32Array> {
  const model = await loadModelFile(path, { threads: 1, variant: 'simd', contextSize: 64, kvType: 'f32' });
  try {
    return await model.logits(someIds(24));
  } finally {
    await model.dispose();
  }
}

describe.each([
  ['llama', TIED_SPM],
  ['qwen3', QWEN3],
])('%s', (architecture, path) => {
  test.each([false, true])(
    'int8 weights times their scales are the smoothed weights, per tensor: %s',
    async (perTensor) => {
      const output = await make(path, { perTensor });
      const [before, after] = [await openGguf(path, fileSource), await openGguf(output, fileSource)];
      try {
        expect(after.metadata.get(`${architecture}.quantization.method`)).toBe('smoothquant');
        expect(after.metadata.has('general.file_type')).toBe(false);
        const name = 'blk.0.attn_q';
        const tensor = getTensor(after, `${name}.weight`);
        const [columns, rows] = tensor.shape as [number, number];
        expect(tensor.type).toBe(24);
        const q = new Int8Array((await readTensor(after, tensor)).slice().buffer);
        const scale = await floats(after, `${name}.scale`);
        expect(scale).toHaveLength(perTensor ? 1 : rows);
        const largest = q.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        expect(largest).toBe(127);
        // What the norm lost, the columns have gained.
        const [w, norm, newNorm] = [
          await floats(before, `${name}.weight`),
          await floats(before, 'blk.0.attn_norm.weight'),
          await floats(after, 'blk.0.attn_norm.weight'),
        ];
        expect(newNorm).not.toEqual(norm);
        for (let i = 0; i < w.length; i++) {
          const [row, column] = [Math.floor(i / columns), i % columns];
          const step = scale[perTensor ? 0 : row]!;
          const expected = w[i]! * (norm[column]! / newNorm[column]!);
          expect(Math.abs(q[i]! * step - expected)).toBeLessThan(0.51 * step);
        }
        const inputs = ['attn_q', 'attn_k', 'attn_v'].map((part) =>
          floats(after, `blk.0.${part}.input_scale`),
        );
        const [first, ...others] = (await Promise.all(inputs)).map(([value]) => value!);
        expect(first).toBeGreaterThan(0);
        expect(others).toEqual([first, first]);
      } finally {
        await closeGguf(before);
        await closeGguf(after);
      }
    },
  );

  test('runs, near the original', async () => {
    const [original, made] = [await logitsOf(path), await logitsOf(await make(path))];
    const deviation = Math.sqrt(original.reduce((sum, value) => sum + value * value, 0) / original.length);
    const error = Math.sqrt(
      original.reduce((sum, value, i) => sum + (value - made[i]!) ** 2, 0) / original.length,
    );
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.15 * deviation);
  });
});

test('alpha moves the difficulty; experts are refused', async () => {
  const inputScale = async (alpha: number): Promise<number> => {
    const file = await openGguf(await make(TIED_SPM, { alpha }), fileSource);
    const [value] = await floats(file, 'blk.0.attn_q.input_scale');
    await closeGguf(file);
    return value!;
  };
  expect(await inputScale(0.9)).not.toBe(await inputScale(0.1));
  const calibration = { text: new Uint8Array(), name: 'none' };
  const run = quantizeFile(EXPERTS, join(folder, 'never.gguf'), {
    ...{ type: 'F32', allowRequantize: true },
    method: { name: 'smoothquant', calibration },
  });
  await expect(run).rejects.toThrow(/dense models .* not one with blk\.0\.ffn_\w+_exps/);
});
