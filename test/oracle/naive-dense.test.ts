/** A dense model that no golden model covers, with random weights, against a naive forward pass. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { closeGguf, openGguf } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { writeRandomModel } from '../bench/modules.ts';
import { changed } from '../engine/broken.ts';
import { someIds } from '../engine/fixtures.ts';
import { normals, random } from '../kernels/twins/numbers.ts';
import { atMost, difference } from './compare.ts';
import { withModel } from './models.ts';
import { naiveLogits, SMALL_SHAPE } from './naive-forward.ts';

const VOCABULARY = SMALL_SHAPE.vocabulary;
const IDS = someIds(70, VOCABULARY);

test('stablelm: LayerNorm, biases on q, k and v, a quarter of each head rotated', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nibble-naive-'));
  try {
    const plain = join(folder, 'plain.gguf');
    const shape = {
      ...SMALL_SHAPE,
      name: 'stablelm',
      architecture: 'stablelm',
      metadata: [
        ['attention.layer_norm_epsilon', 1e-5],
        ['rope.dimension_count', 4],
      ] as [string, number][],
    };
    await writeRandomModel(plain, { shape, type: 'F32' });
    const path = await changed(plain, join(folder, 'stablelm.gguf'), ({ tensors }) => {
      const source = random(7);
      for (const { name, shape: dimensions } of [...tensors]) {
        if (!/norm\.weight$|attn_[qkv]\.weight$/.test(name)) continue;
        const length = Number(dimensions.at(-1));
        const bias = name.replace(/weight$/, 'bias');
        tensors.push({ name: bias, type: 0, shape: [length], data: normals(length, source, 0.3) });
      }
    });
    const file = await openGguf(path, fileSource);
    try {
      // Else the biases below would go untested.
      expect(file.tensors.filter(({ name }) => name.endsWith('.bias'))).toHaveLength(2 * 5 + 1);
      const expected = await naiveLogits(file, IDS);
      await withModel(path, { kvType: 'f32' }, async (model) => {
        atMost(difference(await model.logits(IDS), expected, VOCABULARY).maxAbs, 5e-5, 'max abs');
      });
    } finally {
      await closeGguf(file);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
