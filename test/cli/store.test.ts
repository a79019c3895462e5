/** list, rm, pull without a network; inspect; the library's front door. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type * as Library from '../../src/index.ts';
import { MODEL, SMALLER, run, runJson, scratch } from './run.ts';

test('list: the models by name, as a table and as JSON', async () => {
  const { stdout, code } = await run(['list']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^NAME +PARAMETERS/);
  expect(stdout).toMatch(/\nsmollm2-135m +134\.50 M .*Apache-2\.0 +-\n/);
  const rows = await runJson<{ name: string; approximateBytes: number; cached: unknown[] }[]>(['list']);
  expect(rows.find((row) => row.name === 'smollm2-135m')!.approximateBytes).toBeGreaterThan(5e7);
  expect(await runJson<unknown[]>(['list', '--cached'])).toEqual([]);
});

test('a stored model is listed, runs by name, and is removed', async () => {
  const home = join(scratch, 'stocked');
  const folder = join(home, 'models', 'smollm2-135m', 'Q8_0');
  await mkdir(folder, { recursive: true });
  const bytes = await readFile(MODEL);
  await writeFile(join(folder, 'model.gguf'), bytes);
  const { mtimeMs } = await stat(join(folder, 'model.gguf'));
  const file = { name: 'model.gguf', size: bytes.length, sha256: '0'.repeat(64), mtimeMs };
  const manifest = {
    version: 1,
    name: 'smollm2-135m:Q8_0',
    quantization: 'Q8_0',
    source: 'hub',
    url: 'test:',
  };
  await writeFile(
    join(folder, 'model.json'),
    JSON.stringify({ ...manifest, fetched: '2026-01-01T00:00:00Z', answers: ['Q8_0'], files: [file] }),
  );
  const env = { NIBBLE_HOME: home };
  const rows = await runJson<{ name: string; cached: { bytes: number }[] }[]>(['list', '--cached'], { env });
  expect(rows).toMatchObject([{ name: 'smollm2-135m', cached: [{ bytes: bytes.length }] }]);
  const answer = await run(['chat', 'smollm2-135m', 'INT8', '-p', 'Hi', '-n', '3', '--offline'], { env });
  expect(answer).toMatchObject({ code: 0, stderr: '' });
  const removed = await runJson<{ bytes: number }>(['rm', 'smollm2-135m:Q8_0'], { env });
  expect(removed.bytes).toBe(bytes.length);
  expect((await run(['rm', 'smollm2-135m:Q8_0'], { env })).code).toBe(1);
});

test('pull says why it cannot', async () => {
  const { code, stderr } = await run(['pull', 'smollm2-135m', '--offline']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^nibble: .*offline.*\n$/);
});

test('inspect FILE: metadata with short arrays, tensors, memory, why there is no second view', async () => {
  const file = await runJson<{
    metadata: Record<string, unknown>;
    tensors: { name: string; type: string; shape: number[] }[];
    memory: { bytes: { total: number } };
    ggufPackage: { reason: string };
    types: { type: string }[];
  }>(['inspect', MODEL]);
  expect(file.metadata['tokenizer.ggml.tokens']).toMatchObject({ length: 1280, first: { length: 5 } });
  expect(file.metadata['llama.attention.layer_norm_rms_epsilon']).toBe(1e-5);
  expect(file.tensors).toHaveLength(29);
  expect(file.tensors[0]).toMatchObject({ name: 'token_embd.weight', type: 'Q8_0', shape: [256, 1280] });
  expect(file.types[0]!.type).toBe('Q8_0');
  expect(file.memory.bytes.total).toBeGreaterThan(2e6);
  expect(file.ggufPackage.reason).toContain('10 MB');
  const { stdout } = await run(['inspect', MODEL]);
  expect(stdout).toMatch(/llama\.block_count +u32 +3\n/);
  expect(stdout).toMatch(/blk\.0\.attn_q\.weight +256 x 256 +Q8_0/);
  expect(stdout).toMatch(/gguf package: no typed view: [^\n]+\n/);
});

test('inspect cpu and kernels', async () => {
  const cpu = await runJson<{ threads: number; variant: string; wasm: { simd: boolean } }>([
    'inspect',
    'cpu',
  ]);
  expect(cpu.threads).toBeGreaterThan(0);
  expect(cpu).toMatchObject({ variant: 'simd', wasm: { simd: true, relaxedSimd: true } });
  const kernels = await runJson<{ formats: { name: string; sizeRatio: number }[] }>(['inspect', 'kernels']);
  expect(kernels.formats.map((format) => format.name)).toContain('Q4_K');
  for (const format of kernels.formats) expect(format.sizeRatio).toBeLessThanOrEqual(1.12);
});

test('inspect kernels: layouts, why and which others, of the formats and of a model', async () => {
  interface Choice {
    name?: string;
    type: string;
    layout: string;
    reason: string;
    otherLayouts: string[];
  }
  const q4_0 = <T extends Choice>(of: T[]) =>
    of.find((each) => each.name === 'Q4_0' || each.type === 'Q4_0')!;
  const { formats } = await runJson<{ formats: Choice[] }>(['inspect', 'kernels']);
  expect(q4_0(formats)).toMatchObject({ layout: '8x4', otherLayouts: ['rows', '4x4', '4x8', '8x8'] });
  expect(q4_0(formats).reason).toContain('default');
  expect(formats.find(({ name }) => name === 'Q4_K')!.reason).toBe('the only one');
  const forced = await runJson<{ types: (Choice & { tensors: number; bytes: number })[] }>([
    ...['inspect', 'kernels', SMALLER, '--layout', '4x4'],
  ]);
  expect(q4_0(forced.types)).toMatchObject({ layout: '4x4', reason: '--layout 4x4' });
  expect(q4_0(forced.types).otherLayouts).toContain('8x4');
  expect(q4_0(forced.types).tensors).toBeGreaterThan(10);
  const { stdout } = await run(['inspect', 'kernels', MODEL, '--layout', '4x4']);
  expect(stdout).toMatch(/^WEIGHTS +TENSORS/);
  expect(stdout).toMatch(/\nQ8_0 +\d+ +[\d.]+ MB +8x2: .* no signed bytes +-\n/);
});

test('loadModel of the package: a path in, text out', async () => {
  const entry = new URL('../../dist/src/index.js', import.meta.url).href;
  const { loadModel } = (await import(entry)) as typeof Library;
  const model = await loadModel(MODEL, { threads: 1, contextSize: 128, variant: 'simd' });
  try {
    let text = '';
    for await (const part of model.chat([{ role: 'user', content: 'What is a nibble?' }], {
      temperature: 0,
    })) {
      text += part.text;
    }
    expect(text).toContain('four bits');
  } finally {
    await model.dispose();
  }
});
