/** Whole files: what quantizeFile writes, and what it leaves behind when it fails. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closeGguf, findTensor, getTensor, openGguf, readTensor } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import type { Imatrix } from '../../tools/imatrix/imatrix.ts';
import { loadQuantizeModules, QuantizeKernels } from '../../tools/quantize/kernels.ts';
import { planFile, quantizeFile } from '../../tools/quantize/quantize.ts';
import { someIds } from '../engine/fixtures.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const MODEL = fixture('models/llama-tied-spm/llama-tied-spm.F32.gguf');
const EXPERTS = fixture('gguf/llama-quant-moe.MXFP4_MOE.gguf');
const QUERY = 'blk.0.attn_q.weight';

let folder: string;
let kernels: QuantizeKernels;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble quantize '));
  kernels = new QuantizeKernels(await loadQuantizeModules());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function tensorBytesOf(path: string, name: string): Promise<Uint8Array> {
  const file = await openGguf(path, fileSource);
  const bytes = await readTensor(file, getTensor(file, name));
  await closeGguf(file);
  return bytes;
}

describe('a smaller copy', () => {
  test('has the converted rows, the same metadata and says what it is', async () => {
    const output = join(folder, 'q5_0.gguf');
    const progress: number[] = [];
    const result = await quantizeFile(MODEL, output, {
      type: 'Q5_0',
      threads: 2,
      onProgress: (bytes, total) => progress.push(bytes / total),
    });
    expect(progress.at(-1)).toBe(1);
    const before = await openGguf(MODEL, fileSource);
    const after = await openGguf(output, fileSource);
    expect(after.byteLength).toBe(result.bytes);
    expect(after.tensors.map(({ name }) => name).sort()).toEqual(
      before.tensors.map(({ name }) => name).sort(),
    );
    const changed = new Set(['general.file_type', 'general.quantization_version']);
    for (const [key, value] of before.metadata) {
      if (!changed.has(key)) expect(after.metadata.get(key)).toEqual(value);
    }
    expect([...changed].map((key) => after.metadata.get(key))).toEqual([8, 2]);
    const tensor = getTensor(before, QUERY);
    const [columns, rows] = tensor.shape as [number, number];
    const values = new Float32Array((await readTensor(before, tensor)).slice().buffer);
    expect(await readTensor(after, findTensor(after, QUERY)!)).toEqual(
      kernels.quantize(6, values, rows, columns),
    );
    await Promise.all([closeGguf(before), closeGguf(after)]);

    const [original, quantized] = [MODEL, output].map((path) =>
      loadModelFile(path, { threads: 2, variant: 'simd' }),
    );
    const logits = await Promise.all(
      [original!, quantized!].map(async (model) => (await model).logits(someIds(8))),
    );
    await Promise.all([original!, quantized!].map(async (model) => (await model).dispose()));
    const error = logits[0]!.reduce((sum, value, i) => sum + (value - logits[1]![i]!) ** 2, 0);
    const power = logits[0]!.reduce((sum, value) => sum + value ** 2, 0);
    expect(error).toBeGreaterThan(0);
    expect(error / power).toBeLessThan(0.05);
  });

  test('is the same on any number of threads', async () => {
    const files = await Promise.all(
      [1, 3].map(async (threads) => {
        const output = join(folder, `threads${threads}.gguf`);
        await quantizeFile(MODEL, output, { type: 'IQ4_NL', threads });
        return readFile(output);
      }),
    );
    expect(files[0]!.equals(files[1]!)).toBe(true);
  });

  test('of experts weighs each with its own importance', async () => {
    const file = await openGguf(EXPERTS, fileSource);
    const tensor = file.tensors.find(({ name }) => name.endsWith('ffn_down_exps.weight'))!;
    const [columns, rows, parts] = tensor.shape as [number, number, number];
    const source = await readTensor(file, tensor);
    await closeGguf(file);
    const squares = Float32Array.from(
      { length: columns * parts },
      (_, i) => (i % 7) + 1 + Math.floor(i / columns),
    );
    const counts = new Float32Array(parts).fill(2);
    const imatrix: Imatrix = {
      name: 'made-up',
      entries: new Map([[tensor.name, { squares, counts }]]),
      datasets: ['text'],
      chunks: 1,
      chunkSize: 2,
    };
    const output = join(folder, 'experts.gguf');
    await quantizeFile(EXPERTS, output, { type: 'Q4_1', pure: true, allowRequantize: true, imatrix });
    const made = await tensorBytesOf(output, tensor.name);
    const perPart = made.length / parts;
    for (const part of [0, parts - 1]) {
      const bytes = source.subarray((part * source.length) / parts, ((part + 1) * source.length) / parts);
      const importance = squares.slice(part * columns, (part + 1) * columns).map((value) => value / 2);
      const expected = kernels.convert(tensor.type, bytes, rows, columns, 3, { importance });
      expect(made.subarray(part * perPart, (part + 1) * perPart)).toEqual(expected);
    }
    const after = await openGguf(output, fileSource);
    expect(after.metadata.get('quantize.imatrix.file')).toBe('made-up');
    expect(after.metadata.get('quantize.imatrix.entries_count')).toBe(1);
    await closeGguf(after);
  });

  test('can be planned without being written', async () => {
    const before = await readdir(folder);
    const plan = await planFile(MODEL, { type: 'Q8_0' });
    expect(plan.newBytes).toBeLessThan(plan.oldBytes);
    expect(plan.newBytes).toBe(plan.tensors.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(await readdir(folder)).toEqual(before);
  });
});

describe('when it fails, nothing is left', () => {
  const expectNothing = async (run: Promise<unknown>, error: object | RegExp): Promise<void> => {
    const before = await readdir(folder);
    if (error instanceof RegExp) await expect(run).rejects.toThrow(error);
    else await expect(run).rejects.toMatchObject(error);
    expect(await readdir(folder)).toEqual(before);
  };

  test('stopped in the middle', async () => {
    const controller = new AbortController();
    const run = quantizeFile(MODEL, join(folder, 'stopped.gguf'), {
      type: 'Q8_0',
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expectNothing(run, { name: 'AbortError' });
  });

  test('NaN in the file', async () => {
    const file = await openGguf(MODEL, fileSource);
    const { offset } = getTensor(file, QUERY);
    await closeGguf(file);
    const bytes = await readFile(MODEL);
    bytes.writeFloatLE(NaN, offset + 400);
    const damaged = join(folder, 'damaged.gguf');
    await writeFile(damaged, bytes);
    const run = quantizeFile(damaged, join(folder, 'never.gguf'), { type: 'Q8_0' });
    await expectNothing(
      run,
      /damaged\.gguf: tensor blk\.0\.attn_q\.weight: there are NaN or infinite values/,
    );
  });

  test('over itself, into a folder that is not there, with importance of another model', async () => {
    const copy = join(folder, 'copy.gguf');
    await writeFile(copy, await readFile(MODEL));
    await expectNothing(quantizeFile(copy, copy, { type: 'Q8_0' }), { code: 'ERR_USAGE' });
    await expectNothing(
      quantizeFile(MODEL, join(folder, 'no', 'a.gguf'), { type: 'Q8_0' }),
      /cannot be written/,
    );
    const entry = { squares: new Float32Array(7).fill(1), counts: Float32Array.of(1) };
    const imatrix: Imatrix = {
      name: 'other',
      entries: new Map([[QUERY, entry]]),
      datasets: [],
      chunks: 0,
      chunkSize: 0,
    };
    const run = quantizeFile(MODEL, join(folder, 'never.gguf'), { type: 'Q4_0', imatrix });
    await expectNothing(run, /other is of another model/);
  });
});
