/** Methods from end to end, on a tiny model that speaks. docs/quantization.md has what they gain on real ones. */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { closeGguf, openGguf } from '../../../src/gguf/index.ts';
import { fileSource } from '../../../src/platform/node/file-source.ts';
import { loadModelFile } from '../../../src/platform/node/load-model.ts';
import { perplexity } from '../../../tools/perplexity/perplexity.ts';
import { cutWindows } from '../../../tools/perplexity/windows.ts';
import type { MethodName } from '../../../tools/quantize/methods/types.ts';
import { quantizeFile, type QuantizeOptions } from '../../../tools/quantize/quantize.ts';
import { golden } from '../../cli/run.ts';
import { BERT, TINY_CHAT } from '../../engine/fixtures.ts';

let folder: string;
/** Other prose than what is scored. */
const TEXT = new URL('../../../tools/report/texts/calibration-prose.txt', import.meta.url);
const CALIBRATION = Uint8Array.from(readFileSync(TEXT));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble methods '));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Mean negative log likelihood of the held-out text. */
async function nllOf(path: string): Promise<number> {
  const model = await loadModelFile(path, { threads: 1, variant: 'simd', contextSize: 256 });
  try {
    const windows = cutWindows(model.tokenizer.encode(golden.held_out_text.text), 256, undefined);
    return (await perplexity(model, windows)).nllMean;
  } finally {
    await model.dispose();
  }
}

const base = { allowRequantize: true, threads: 1 };

function method(name: MethodName, options: object = {}): Partial<QuantizeOptions> {
  const calibration = { text: CALIBRATION, name: 'samples.md', chunkSize: 64, chunks: 8 };
  return { method: { name, calibration, ...options } };
}

test.each(['imatrix', 'awq', 'gptq'] as const)(
  '%s: another file than rounding makes, and a model like it',
  async (name) => {
    const [plain, made] = [join(folder, 'plain.gguf'), join(folder, 'made.gguf')];
    await quantizeFile(TINY_CHAT, plain, { ...base, type: 'Q4_0' });
    await quantizeFile(TINY_CHAT, made, { ...base, type: 'Q4_0', ...method(name) });
    expect(readFileSync(plain).equals(readFileSync(made))).toBe(false);
    const [rounded, better] = [await nllOf(plain), await nllOf(made)];
    expect(Math.abs(better - rounded)).toBeLessThan(0.25);
  },
);

test('GPTQ without act-order is another file; the types that it cannot write are rounded', async () => {
  const files = [true, false].map((actOrder) => ({ actOrder, path: join(folder, `${actOrder}.gguf`) }));
  for (const { actOrder, path } of files) {
    await quantizeFile(TINY_CHAT, path, {
      ...base,
      type: 'Q4_K_S',
      tensorTypes: [{ pattern: /ffn_up/, type: 'MXFP4' }],
      ...method('gptq', { actOrder }),
    });
    expect(await nllOf(path)).toBeLessThan(3);
  }
  expect(readFileSync(files[0]!.path).equals(readFileSync(files[1]!.path))).toBe(false);
});

test('the file says where it comes from; progress counts chunks; shards on request', async () => {
  const output = join(folder, 'sharded.gguf');
  const seen: string[] = [];
  const { files, bytes } = await quantizeFile(TINY_CHAT, output, {
    ...base,
    type: 'Q4_0',
    maxShardBytes: 2 ** 19,
    ...method('awq'),
    onCalibration: (done, total) => seen.push(`${done}/${total}`),
  });
  expect(seen).toEqual(Array.from({ length: 8 }, (_, i) => `${i + 1}/8`));
  expect(files.length).toBeGreaterThan(1);
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  expect(sizes.reduce((a, b) => a + b)).toBe(bytes);
  const file = await openGguf(files[0]!, fileSource);
  expect(file.metadata.get('quantize.method')).toBe('awq');
  expect(file.metadata.get('quantize.calibration.file')).toBe('samples.md');
  expect(file.metadata.get('quantize.calibration.tokens')).toBe(512);
  await closeGguf(file);
  // Shards of that name cannot be written over while they are read.
  const again = quantizeFile(files[0]!, output, { ...base, type: 'Q8_0', maxShardBytes: 2 ** 19 });
  await expect(again).rejects.toThrow(/is the file that is read/);
});

test('what cannot be calibrated is refused', async () => {
  const output = join(folder, 'never.gguf');
  const short = { text: new TextEncoder().encode('too short'), name: 'short.txt' };
  const run = quantizeFile(TINY_CHAT, output, {
    ...base,
    type: 'Q4_0',
    method: { name: 'awq', calibration: short },
  });
  await expect(run).rejects.toThrow(
    /--calibration short\.txt: the text has \d+ tokens, less than a chunk of 512/,
  );
  const encoder = quantizeFile(BERT, output, { ...base, type: 'Q4_0', ...method('awq') });
  await expect(encoder).rejects.toMatchObject({ code: 'ERR_USAGE' });
});
