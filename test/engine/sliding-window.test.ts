/** A sliding window is kept where the metadata has one, also of an architecture whose files rarely do. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sameBits } from '../oracle/compare.ts';
import { withModel } from '../oracle/models.ts';
import { changed } from './broken.ts';
import { someIds, TIED_SPM } from './fixtures.ts';

const WINDOW = 8;

test('llama.attention.sliding_window, as of Mistral 7B v0.1', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nibble-window-'));
  try {
    const path = await changed(TIED_SPM, join(folder, 'window.gguf'), ({ metadata }) =>
      metadata.set('llama.attention.sliding_window', { type: 'u32', value: WINDOW }),
    );
    const ids = someIds(20);
    const whole = await withModel(TIED_SPM, { contextSize: 64 }, (model) => model.logits(ids));
    await withModel(path, { contextSize: 64 }, async (model) => {
      const rowsOf = (logits: Float32Array, first: number, end: number) =>
        logits.slice(first * model.info.vocabularySize, end * model.info.vocabularySize);
      const logits = await model.logits(ids);
      sameBits(rowsOf(logits, 0, WINDOW), rowsOf(whole, 0, WINDOW), 'within the window');
      // The ninth token no longer sees the first.
      expect(rowsOf(logits, WINDOW, WINDOW + 1)).not.toEqual(rowsOf(whole, WINDOW, WINDOW + 1));
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
