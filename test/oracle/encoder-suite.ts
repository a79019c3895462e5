/** The comparisons of a golden encoder: hidden states against PyTorch's, pooled vectors against their definition. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { atMost, sameBits } from './compare.ts';
import { readF32 } from './golden.ts';
import { withModel } from './models.ts';
import { AVAILABLE } from './variants.ts';

interface GoldenEncoder {
  files: {
    gguf: string;
    hidden_torch: string;
    sequences: { tokens: number[]; hidden_offset: number; hidden_shape: [number, number] }[];
  }[];
}

/** From the oracle's README: f32 weights and KV. */
const MAX_ABS = 5e-5;

/** Largest difference; throws where one is NaN. */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual).toHaveLength(expected.length);
  return Array.from(expected, (value, i) => Math.abs(value - actual[i]!)).reduce((a, b) => (a >= b ? a : b));
}

/** Declares the tests of all files of an encoder. */
export function testEncoder(folder: string): void {
  const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as GoldenEncoder;
  for (const file of golden.files) {
    const path = join(folder, file.gguf);
    const torch = readF32(join(folder, file.hidden_torch));
    const texts = file.sequences.map(({ tokens }) => tokens);
    const expected = file.sequences.map(({ hidden_offset: start, hidden_shape: [rows, width] }) =>
      torch.subarray(start, start + rows * width),
    );

    describe.each(AVAILABLE)(`${file.gguf} with %s`, (variant) => {
      test('hidden states; the same bits alone, in company and on more threads', async () => {
        const options = { pooling: 'none', normalize: false } as const;
        const together = await withModel(path, { variant }, (model) => model.embed(texts, options));
        for (const [i, hidden] of together.entries()) {
          atMost(largestDifference(hidden, expected[i]!), MAX_ABS, `text ${i}: max abs`);
        }
        await withModel(path, { variant, threads: 5 }, async (model) => {
          for (const [i, text] of texts.entries()) {
            sameBits((await model.embed([text], options))[0]!, together[i]!, `text ${i} alone`);
          }
        });
      });

      test('pooled vectors, of length 1 or as they are', () =>
        withModel(path, { variant }, async (model) => {
          const width = model.info.embeddingLength;
          const rowsOf = (i: number) =>
            Array.from({ length: texts[i]!.length }, (_, t) =>
              expected[i]!.subarray(t * width, (t + 1) * width),
            );
          const pools = {
            mean: (rows: Float32Array[]) =>
              Array.from(
                { length: width },
                (_, d) => rows.reduce((sum, row) => sum + row[d]!, 0) / rows.length,
              ),
            cls: (rows: Float32Array[]) => Array.from(rows[0]!),
            last: (rows: Float32Array[]) => Array.from(rows.at(-1)!),
          };
          for (const [pooling, pool] of Object.entries(pools) as [keyof typeof pools, typeof pools.cls][]) {
            const raw = await model.embed(texts, { pooling, normalize: false });
            const unit = await model.embed(texts, { pooling });
            for (const i of texts.keys()) {
              const vector = pool(rowsOf(i));
              const length = Math.hypot(...vector);
              atMost(largestDifference(raw[i]!, vector), MAX_ABS, `${pooling}, text ${i}`);
              const scaled = vector.map((value) => value / length);
              atMost(largestDifference(unit[i]!, scaled), MAX_ABS, `${pooling}, text ${i}, unit`);
            }
          }
        }));
    });
  }
}
