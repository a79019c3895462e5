/** embed and classify: their output, and what they refuse. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BERT } from '../engine/fixtures.ts';
import { MODEL, run, runJson, scratch } from './run.ts';

const TEXTS = ['the cat', 'a dog runs', 'the cat'];
const length = (vector: number[]) => Math.hypot(...vector);

test('embed: a vector per text, from arguments, a file and a pipe', async () => {
  const result = await run(['embed', '-m', BERT, ...TEXTS]);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  const vectors = result.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as number[]);
  expect(vectors.map((vector) => vector.length)).toEqual([64, 64, 64]);
  for (const vector of vectors) expect(length(vector)).toBeCloseTo(1, 6);
  expect(vectors[0]).toEqual(vectors[2]);
  expect(vectors[0]).not.toEqual(vectors[1]);
  const path = join(scratch, 'texts.txt');
  await writeFile(path, `${TEXTS.join('\r\n')}\n`);
  expect((await run(['embed', '-m', BERT, '-f', path])).stdout).toBe(result.stdout);
  expect((await run(['embed', '-m', BERT, '-'], { input: TEXTS.join('\n') })).stdout).toBe(result.stdout);
});

test('embed --json, --pooling, --no-normalize', async () => {
  interface Embedded {
    model: string;
    dimensions: number;
    pooling: string;
    normalize: boolean;
    vectors: number[][] | number[][][];
  }
  const args = ['embed', '-m', BERT, '--no-normalize', 'the cat'];
  const mean = await runJson<Embedded>(args);
  expect(mean).toMatchObject({ model: 'oracle bert', dimensions: 64, pooling: 'mean', normalize: false });
  const none = await runJson<Embedded>([...args, '--pooling', 'none']);
  const tokens = none.vectors[0] as number[][];
  const average = tokens[0]!.map((_, d) => tokens.reduce((sum, token) => sum + token[d]!, 0) / tokens.length);
  (mean.vectors[0] as number[]).forEach((value, d) => expect(value).toBeCloseTo(average[d]!, 5));
  for (const [pooling, index] of [
    ['cls', 0],
    ['last', -1],
  ] as const) {
    const result = await runJson<Embedded>([...args, '--pooling', pooling]);
    expect(result.vectors[0]).toEqual(tokens.at(index));
  }
});

test('embed --similarity, also of a model that generates', async () => {
  for (const model of [BERT, MODEL]) {
    const same = await run(['embed', '-m', model, '--similarity', 'the cat', 'the cat']);
    expect(same).toMatchObject({ code: 0, stdout: '1.000000\n' });
    const other = await runJson<{ similarity: number }>([
      'embed',
      '-m',
      model,
      '--similarity',
      'the cat',
      'a dog',
    ]);
    expect(other.similarity).toBeGreaterThan(-1);
    expect(other.similarity).toBeLessThan(0.9999);
  }
});

test('what a model cannot do is said in one line', async () => {
  const classify = await run(['classify', '-m', BERT, 'text']);
  expect(classify).toMatchObject({ code: 1, stdout: '' });
  expect(classify.stderr).toMatch(/^nibble: oracle bert has no classifier[^\n]*\n$/);
  const generate = await run(['generate', '-m', BERT, '-p', 'text']);
  expect(generate.stderr).toMatch(/^nibble: oracle bert is an encoder \(bert\)[^\n]*use embed\n$/);
  const chat = await run(['chat', BERT, '-p', 'text']);
  expect(chat.stderr).toBe(generate.stderr);
  const long = await run(['embed', '-m', BERT, 'cat '.repeat(200)]);
  expect(long.stderr).toMatch(/^nibble: text 1 has \d+ tokens, the context holds 128[^\n]*\n$/);
});
