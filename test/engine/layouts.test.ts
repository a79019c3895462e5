/** Weights in other run-time layouts: the same bits, alone, together, and on any number of threads. */
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import { LAYOUTS, OTHER_LAYOUTS } from '../../src/kernels/formats.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import type { LoadOptions } from '../../src/engine/types.ts';
import { sameBits } from '../oracle/compare.ts';
import { greedyIds, withModel } from '../oracle/models.ts';
import { k, legacy, someIds, TINY_CHAT_Q4_0 } from './fixtures.ts';

const IDS = someIds(70);
const OTHERS = [...new Set(OTHER_LAYOUTS.map(({ layout }) => layout))];

function logits(path: string, options: LoadOptions): Promise<Float32Array> {
  return withModel(path, { contextSize: 128, ...options }, (model) => model.logits(IDS));
}

describe.each(OTHERS)('%s', (layout) => {
  test('logits of Q4_0: the bits of the default layout, in batches of any size and on 1 to 3 threads', async () => {
    const path = legacy('Q4_0');
    const expected = await logits(path, { threads: 1 });
    for (const [threads, batchSize] of [
      [1, 512],
      [2, 33],
      [3, 3],
      [2, 1],
    ]) {
      sameBits(await logits(path, { layout, threads, batchSize }), expected, `${threads} threads`);
    }
  });

  test('answers: the same ids, also with other ops and several segments', async () => {
    const ids = (options: LoadOptions) =>
      withModel(TINY_CHAT_Q4_0, options, (model) => greedyIds(model, IDS.slice(0, 9), 30));
    const expected = await ids({ threads: 1 });
    expect(await ids({ layout, threads: 2 })).toEqual(expected);
    expect(await ids({ layout, fuse: false, segmentLimit: 60_000 })).toEqual(expected);
  });

  test('the model says in which layout its weights are, and which types have none', async () => {
    const notes: string[] = [];
    const options = { layout, threads: 1, onFallback: (line: string) => notes.push(line) };
    const types = await withModel(TINY_CHAT_Q4_0, options, (model) =>
      Promise.resolve(model.info.weightTypes.map((each) => `${each.type} ${each.layout}`)),
    );
    expect(types[0]).toBe(`Q4_0 ${layout}`);
    const others = types.filter((each) => !each.startsWith('Q4_0 '));
    expect(notes).toHaveLength(others.length === 0 ? 0 : 1);
    for (const type of others) expect(notes[0]).toContain(type.replace(' ', ' (').split(' ')[0]);
  });
});

test('types without the layout stay in their own, which is said with names', async () => {
  const notes: string[] = [];
  const options = { layout: '4x4', threads: 2, onFallback: (line: string) => notes.push(line) };
  const path = k('Q4_K_M');
  sameBits(await logits(path, options), await logits(path, { threads: 2 }), 'Q4_K_M');
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(/^no layout 4x4 for all types: .*Q4_K \(\S+, \S+ and \d+ more\) stays 8x4/);
});

test('the default layout by its name, without a note', async () => {
  const notes: string[] = [];
  const options = { layout: '8x4', threads: 1, onFallback: (line: string) => notes.push(line) };
  sameBits(await logits(legacy('Q4_0'), options), await logits(legacy('Q4_0'), { threads: 1 }), '8x4');
  expect(notes.filter((line) => line.includes('Q4_0'))).toEqual([]);
});

test('refused: an unknown layout, naming those there are; f32 activations, which no layout has kernels for', async () => {
  const unknown = loadModelFile(legacy('Q4_0'), { layout: '5x5' });
  await expect(unknown).rejects.toThrow(UsageError);
  await expect(unknown).rejects.toThrow(`layout must be one of ${LAYOUTS.join(', ')}, not "5x5"`);
  const exact = loadModelFile(legacy('Q4_0'), { layout: '4x4', activations: 'f32' });
  await expect(exact).rejects.toThrow(/leave --activations f32 away/);
});
