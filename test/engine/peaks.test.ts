/** Rows of logits come with their peaks: in every kind of step, of every kind of head. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import type { OutputRow } from '../../src/engine/output-row.ts';
import { peaksOf } from '../../src/engine/sampling/peaks.ts';
import type { LoadOptions } from '../../src/engine/types.ts';
import { f32 } from '../../src/gguf/index.ts';
import { withModel } from '../oracle/models.ts';
import { changed } from './broken.ts';
import { BERT, EXPERTS, GEMMA3, k, legacy, someIds, TINY_CHAT } from './fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'nibble-peaks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Outputs = 'last' | 'all' | 'hidden';

/** Loads a model; `step` gives the rows of a step, as copies. */
async function withSteps(
  path: string,
  options: LoadOptions,
  use: (step: (count: number, outputs: Outputs) => Promise<OutputRow[]>) => Promise<void>,
): Promise<void> {
  await withModel(path, { contextSize: 128, ...options }, async (model) => {
    const { engine } = model as unknown as { engine: Engine };
    const copy = ({ values, peaks }: OutputRow) => ({ values: values.slice(), peaks: peaks?.slice() });
    await use(async (count, outputs) => {
      const sequence = engine.createSequence();
      try {
        return await engine.extend(sequence, someIds(count), outputs, (views) => views.map(copy));
      } finally {
        sequence.dispose();
      }
    });
  });
}

const CASES: [name: string, path: string, options: LoadOptions][] = [
  ['F32', GEMMA3, {}],
  ['Q4_0', legacy('Q4_0'), {}],
  ['Q4_0, another layout', legacy('Q4_0'), { layout: '4x8' }],
  ['Q8_0, three threads', TINY_CHAT, { threads: 3 }],
  ['Q4_K_M', k('Q4_K_M'), {}],
  ['experts', EXPERTS, {}],
  ['f32 activations', k('Q4_K_M'), { activations: 'f32' }],
  ['nothing fused', legacy('Q4_0'), { fuse: false }],
  ['a segment for each layer', GEMMA3, { segmentLimit: 1 }],
];

test.each(CASES)('%s: one row and many', async (_, path, options) => {
  await withSteps(path, options, async (step) => {
    for (const count of [1, 3, 9]) {
      for (const outputs of ['last', 'all'] as const) {
        const found = await step(count, outputs);
        expect(found.length).toBe(outputs === 'all' ? count : 1);
        for (const { values, peaks } of found) expect(peaks).toEqual(peaksOf(values));
      }
    }
  });
});

test('peaks are those of capped logits', async () => {
  const path = await changed(GEMMA3, join(folder, 'capped.gguf'), ({ metadata }) =>
    metadata.set('gemma3.final_logit_softcapping', f32(0.01)),
  );
  await withSteps(path, {}, async (step) => {
    for (const count of [1, 5]) {
      for (const { values, peaks } of await step(count, 'all')) {
        expect(peaks).toEqual(peaksOf(values));
        expect(Math.max(...peaks!)).toBeLessThanOrEqual(Math.fround(0.01));
        expect(Math.max(...peaks!)).toBeGreaterThan(0);
      }
    }
  });
});

test.each([
  ['a decoder', GEMMA3],
  ['an encoder', BERT],
])('hidden states of %s have none', async (_, path) => {
  await withSteps(path, {}, async (step) => {
    for (const { peaks } of await step(4, 'hidden')) expect(peaks).toBeUndefined();
  });
});
