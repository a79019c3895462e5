/** Classification: a head put on the tiny encoder, against its definition in f64. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WritableTensor, WritableValue } from '../../src/gguf/index.ts';
import { withModel } from '../oracle/models.ts';
import { changed } from './broken.ts';
import { BERT } from './fixtures.ts';

const WIDTH = 64;
const TEXTS = [
  [2, 83, 91, 3],
  [2, 3],
  [2, ...Array.from({ length: 100 }, (_, i) => 5 + ((i * 7) % 150)), 3],
];

/** Numbers without meaning between -1 and 1. */
const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i * 1.7 + seed * 13)));

const tensor = (name: string, shape: number[], data: Float32Array): WritableTensor => ({
  name,
  type: 0,
  shape,
  data,
});

interface Head {
  classes: number;
  dense: boolean;
  metadata?: Record<string, WritableValue>;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble-classify-'));
});
afterAll(() => rm(folder, { recursive: true }));

const weights = {
  dense: numbers(WIDTH * WIDTH, 1),
  denseBias: numbers(WIDTH, 2),
  scores: numbers(WIDTH * 8, 3),
  bias: numbers(8, 4),
};

function withHead(name: string, { classes, dense, metadata = {} }: Head): Promise<string> {
  return changed(BERT, join(folder, `${name}.gguf`), (parts) => {
    if (dense) {
      parts.tensors.push(
        tensor('cls.weight', [WIDTH, WIDTH], weights.dense),
        tensor('cls.bias', [WIDTH], weights.denseBias),
      );
    }
    parts.tensors.push(
      tensor('cls.output.weight', [WIDTH, classes], weights.scores.slice(0, WIDTH * classes)),
      tensor('cls.output.bias', [classes], weights.bias.slice(0, classes)),
    );
    for (const [key, value] of Object.entries(metadata)) parts.metadata.set(key, value);
  });
}

/** rows x weights + bias, in f64 */
function linear(x: ArrayLike<number>, matrix: Float32Array, bias: Float32Array, rows: number): number[] {
  return Array.from({ length: rows }, (_, r) =>
    Array.from(x).reduce((sum, value, d) => sum + value * matrix[r * WIDTH + d]!, bias[r]!),
  );
}

describe.each<[name: string, head: Head, act: (x: number) => number]>([
  [
    'relu',
    {
      classes: 2,
      dense: true,
      metadata: { 'bert.classifier.activation': 'relu', 'bert.classifier.output_labels': ['NO', 'YES'] },
    },
    (x) => Math.max(0, x),
  ],
  ['tanh', { classes: 5, dense: true }, Math.tanh],
  ['none', { classes: 3, dense: false }, (x) => x],
  ['single', { classes: 1, dense: true }, Math.tanh],
])('%s', (name, head, act) => {
  test('scores of the first token, probabilities and the best label', async () => {
    const path = await withHead(name, head);
    await withModel(path, {}, async (model) => {
      const hidden = await model.embed(TEXTS, { pooling: 'cls', normalize: false });
      const results = await model.classify(TEXTS);
      const labels = model.info.labels!;
      expect(labels).toHaveLength(head.classes);
      expect(labels[0]).toBe(name === 'relu' ? 'NO' : 'LABEL_0');
      for (const [i, { label, probability, scores }] of results.entries()) {
        const inner = head.dense
          ? linear(hidden[i]!, weights.dense, weights.denseBias, WIDTH).map(act)
          : hidden[i]!;
        const logits = linear(inner, weights.scores, weights.bias, head.classes);
        const powers = logits.map(Math.exp);
        const total = head.classes === 1 ? 1 + powers[0]! : powers.reduce((a, b) => a + b);
        scores.forEach((score, c) => {
          expect(score.label).toBe(labels[c]);
          expect(score.logit).toBeCloseTo(logits[c]!, 4);
          expect(score.probability).toBeCloseTo(powers[c]! / total, 4);
        });
        expect(probability).toBe(Math.max(...scores.map((score) => score.probability)));
        expect(scores.find((score) => score.label === label)!.probability).toBe(probability);
      }
    });
  });
});

test.each<[string, Record<string, WritableValue>, RegExp]>([
  ['labels', { 'bert.classifier.output_labels': ['only'] }, /output_labels has 1 labels for 2 scores/],
  [
    'activation',
    { 'bert.classifier.activation': 'swish' },
    /classifier\.activation "swish" is not supported/,
  ],
])('a head with the wrong %s is refused', async (name, metadata, message) => {
  const path = await withHead(`wrong-${name}`, { classes: 2, dense: true, metadata });
  await expect(withModel(path, {}, () => Promise.resolve())).rejects.toThrow(message);
});
