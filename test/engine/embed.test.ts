/** Vectors of texts: from encoders and decoders, alone, in company, beside a generation. */
import { describe, expect, test } from 'vitest';
import { ContextOverflowError, ModelError, UsageError } from '../../src/errors.ts';
import { closeGguf, openGguf, readTensor } from '../../src/gguf/index.ts';
import { cosineSimilarity } from '../../src/engine/pooling.ts';
import type { Pooling } from '../../src/engine/types.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { atMost, sameBits } from '../oracle/compare.ts';
import { collect, withModel } from '../oracle/models.ts';
import { BERT, GEMMA3, someIds, TIED_SPM, TINY_CHAT } from './fixtures.ts';

/** A matrix of F32 as the file has it. */
async function matrixOf(path: string, name: string): Promise<Float32Array> {
  const file = await openGguf(path, fileSource);
  try {
    const tensor = file.tensors.find((each) => each.name === name)!;
    return new Float32Array(Uint8Array.from(await readTensor(file, tensor)).buffer);
  } finally {
    await closeGguf(file);
  }
}

describe('decoders', () => {
  test('a hidden state times the output matrix is the logits', async () => {
    const embedding = await matrixOf(TIED_SPM, 'token_embd.weight');
    const ids = someIds(20);
    await withModel(TIED_SPM, { kvType: 'f32', contextSize: 128 }, async (model) => {
      const { embeddingLength: width, vocabularySize } = model.info;
      const [hidden] = await model.embed([ids], { pooling: 'none', normalize: false });
      const logits = await model.logits(ids);
      let worst = 0;
      for (let t = 0; t < ids.length; t++) {
        for (let v = 0; v < vocabularySize; v++) {
          let dot = 0;
          for (let d = 0; d < width; d++) dot += hidden![t * width + d]! * embedding[v * width + d]!;
          const error = Math.abs(dot - logits[t * vocabularySize + v]!);
          if (!(error <= worst)) worst = error;
        }
      }
      atMost(worst, 5e-5, 'max abs');
    });
  });

  test('the same bits in any batch, in company, in segments and beside a generation', async () => {
    const texts = [someIds(75), someIds(3, 99), someIds(130, 120)];
    const options = { pooling: 'none', normalize: false } as const;
    const alone = await withModel(GEMMA3, { contextSize: 1024 }, async (model) => {
      const vectors: Float32Array[] = [];
      for (const text of texts) vectors.push(...(await model.embed([text], options)));
      return vectors;
    });
    for (const load of [{ batchSize: 7 }, { segmentLimit: 200_000, threads: 3 }, {}]) {
      await withModel(GEMMA3, { contextSize: 1024, ...load }, async (model) => {
        const ids = someIds(40);
        const expected = await collect(
          model.generate(ids, { temperature: 0, maxTokens: 20, ignoreEos: true }),
        );
        const [vectors, generated] = await Promise.all([
          model.embed(texts, options),
          collect(model.generate(ids, { temperature: 0, maxTokens: 20, ignoreEos: true })),
        ]);
        vectors.forEach((vector, i) => sameBits(vector, alone[i]!, `${JSON.stringify(load)}, text ${i}`));
        expect(generated.ids).toEqual(expected.ids);
      });
    }
  });

  test('like texts have like vectors', () =>
    withModel(TINY_CHAT, {}, async (model) => {
      const [a, same, other] = await model.embed(['Hello there!', 'Hello there!', '12 + 30 = 42']);
      expect(cosineSimilarity(a!, same!)).toBeCloseTo(1, 6);
      expect(cosineSimilarity(a!, other!)).toBeLessThan(0.99);
      expect(Math.hypot(...a!)).toBeCloseTo(1, 6);
    }));
});

describe('encoders', () => {
  test('text and ids, more texts than the cache holds at a time, in order', () =>
    withModel(BERT, {}, async (model) => {
      expect(model.info).toMatchObject({ encoder: true, pooling: 'mean', kvType: 'f32', contextSize: 128 });
      const texts = Array.from({ length: 50 }, (_, i) => someIds(1 + ((i * 13) % 128), 160));
      const vectors = await model.embed(texts);
      for (const i of [0, 7, 49]) sameBits(vectors[i]!, (await model.embed([texts[i]!]))[0]!, `text ${i}`);
      const text = 'the cat';
      const [fromText, fromIds] = await model.embed([text, model.tokenizer.encode(text)]);
      sameBits(fromText!, fromIds!);
      expect(await model.embed([])).toEqual([]);
    }));

  test('generate no text and have no logits', () =>
    withModel(BERT, {}, async (model) => {
      const what = /oracle bert is an encoder \(bert\).*use embed/;
      await expect(collect(model.generate([2, 3]))).rejects.toThrow(what);
      await expect(model.logits([2, 3])).rejects.toThrow(what);
      await expect(model.classify(['x'])).rejects.toMatchObject({ code: 'ERR_NO_CLASSIFIER' });
    }));

  test('refuse a context beyond the trained one', async () => {
    await expect(withModel(BERT, { contextSize: 129 }, () => Promise.resolve())).rejects.toThrow(ModelError);
  });
});

test('what is no text is refused before anything is computed', () =>
  withModel(BERT, {}, async (model) => {
    await expect(model.embed([[2], []])).rejects.toThrow(/text 2 is empty/);
    await expect(model.embed([[2], someIds(129)])).rejects.toThrow(
      new ContextOverflowError('text 2 has 129 tokens, the context holds 128: shorten or split it'),
    );
    await expect(model.embed([[160]])).rejects.toThrow(UsageError);
    await expect(model.embed([[2]], { pooling: 'max' as Pooling })).rejects.toThrow(/pooling must be/);
    await expect(model.embed('text' as unknown as string[])).rejects.toThrow(/texts must be a list/);
    const stopped = model.embed([[2]], { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(await model.embed([[2]])).toHaveLength(1);
  }));

test('cosineSimilarity', () => {
  expect(cosineSimilarity([1, 0], [0, 5])).toBe(0);
  expect(cosineSimilarity([1, 2], [-2, -4])).toBeCloseTo(-1, 12);
  expect(cosineSimilarity([0, 0], [1, 1])).toBe(0);
  expect(() => cosineSimilarity([1], [1, 2])).toThrow(UsageError);
});
