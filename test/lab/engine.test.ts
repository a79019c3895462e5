/** Kernels of the lab inside the engine compute what the engine's own do. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { linearKernel } from '../../lab/tool/kernel.ts';
import { UsageError } from '../../src/errors.ts';
import type { LoadOptions } from '../../src/engine/types.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';

const TINY = fileURLToPath(new URL('../../models/tiny-chat/tiny-chat.Q4_0.gguf', import.meta.url));
const INT8 = fileURLToPath(new URL('../../models/tiny-chat/tiny-chat.Q8_0.gguf', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'nibble-lab-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Logits of a batch of seven tokens, and of one token. */
async function logits(kernel?: LoadOptions['kernel']): Promise<number[]> {
  const model = await loadModelFile(TINY, { threads: 2, variant: 'simd', contextSize: 64, kernel });
  try {
    const ids = [5, 300, 17, 800, 42, 99, 1000];
    // A batch takes the shared activations, a single token each worker's own.
    return [...(await model.logits(ids)), ...(await model.logits([7]))];
  } finally {
    await model.dispose();
  }
}

const own = await logits();

test.each(['00', '01', '02', '03', '04', '05', '06', '07', '08', '09'])('stage %s', async (stage) => {
  const found = await logits(await linearKernel(`solution:${stage}`, work));
  expect(found).toHaveLength(own.length);
  // Another order of additions, and now and then an activation that is rounded to the next of its 8 bits.
  const spread = Math.max(...own.slice(0, 1280)) - Math.min(...own.slice(0, 1280));
  const worst = Math.max(...found.map((value, i) => Math.abs(value - own[i]!)));
  expect(worst).toBeLessThan(1e-2 * spread);
  expect(found.every(Number.isFinite)).toBe(true);
});

test('says what cannot be: names, tracks, models without 4-bit layers, f32 activations', async () => {
  await expect(linearKernel('03-simd', work)).rejects.toThrow(/lab:STAGE or solution:STAGE/);
  await expect(linearKernel('lab:99', work)).rejects.toThrow(UsageError);
  await expect(linearKernel('solution:w8a8-03', work)).rejects.toThrow(/no model/);
  await expect(linearKernel('lab:03', work)).rejects.toThrow(/nibble lab start/);
  const kernel = await linearKernel('solution:03', work);
  await expect(loadModelFile(INT8, { threads: 1, kernel })).rejects.toThrow(/no Q4_0 or Q4_1 weights/);
  await expect(loadModelFile(TINY, { threads: 1, kernel, activations: 'f32' })).rejects.toThrow(/int8/);
});
