import { describe, expect, it } from 'vitest';
import { decode } from '../../../tools/convert/encode.ts';
import { BF16, rowCount, storedRows, type Rows } from '../../../tools/convert/rows.ts';
import {
  addOne,
  interleaveHeads,
  reshape,
  sliceRows,
  stack,
  transpose,
} from '../../../tools/convert/transforms.ts';
import { readSafetensors } from '../../../tools/convert/safetensors.ts';
import { floats, safetensors, sourceOf } from './checkpoints.ts';

/** A matrix whose values tell row and column: 100 * row + column. */
async function matrix(rows: number, columns: number, offset = 0): Promise<Rows> {
  const values = Array.from(
    { length: rows * columns },
    (_, i) => offset + 100 * Math.floor(i / columns) + (i % columns),
  );
  const [tensor] = await readSafetensors(sourceOf(safetensors({ m: floats([rows, columns], values) })));
  return storedRows(tensor!);
}

async function vector(...values: number[]): Promise<Rows> {
  const [tensor] = await readSafetensors(sourceOf(safetensors({ v: floats([values.length], values) })));
  return storedRows(tensor!);
}

/** All values, read `step` rows at a time: how a tensor is cut must not matter. */
async function all(rows: Rows, step: number): Promise<number[]> {
  const values: number[] = [];
  const total = rowCount(rows.shape);
  for (let first = 0; first < total; first += step) {
    values.push(...decode(rows.type, await rows.read(first, Math.min(step, total - first))));
  }
  return values;
}

const STEPS = [1, 2, 3, 5, 100];

describe('transformations of rows, read in any pieces', () => {
  it.each(STEPS)('interleaveHeads, %i rows at a time', async (step) => {
    // Two heads of four rows: 0 1 | 2 3 becomes 0 2 1 3.
    const rows = interleaveHeads(await matrix(8, 2), 2);
    const expected = [0, 2, 1, 3, 4, 6, 5, 7].flatMap((row) => [100 * row, 100 * row + 1]);
    expect(await all(rows, step)).toEqual(expected);
    expect(await all(interleaveHeads(await vector(0, 1, 2, 3, 4, 5, 6, 7), 2), step)).toEqual([
      0, 2, 1, 3, 4, 6, 5, 7,
    ]);
  });

  it.each(STEPS)('transpose, %i rows at a time', async (step) => {
    const rows = transpose(await matrix(3, 5));
    expect(rows.shape).toEqual([3, 5]);
    const expected = Array.from({ length: 15 }, (_, i) => 100 * (i % 3) + Math.floor(i / 3));
    expect(await all(rows, step)).toEqual(expected);
    // Its copy was given back after the last row, and is made again.
    expect(await all(rows, step)).toEqual(expected);
  });

  it.each(STEPS)('stack and sliceRows, %i rows at a time', async (step) => {
    const rows = stack([sliceRows(await matrix(4, 2), 1, 2), await matrix(2, 2, 1000)]);
    expect(rows.shape).toEqual([2, 2, 2]);
    expect(await all(rows, step)).toEqual([100, 101, 200, 201, 1000, 1001, 1100, 1101]);
  });

  it.each(STEPS)('reshape, %i rows at a time', async (step) => {
    const rows = reshape(await matrix(2, 6), [3, 4]);
    expect(await all(rows, step)).toEqual([0, 1, 2, 3, 4, 5, 100, 101, 102, 103, 104, 105]);
  });

  it('addOne computes in f32, from any type', async () => {
    const bf16 = {
      ...(await vector(0)),
      shape: [2],
      type: BF16,
      read: async () => new Uint8Array([0x80, 0x3f, 0, 0xc0]),
    };
    expect(await all(addOne(bf16), 1)).toEqual([2, -1]);
  });

  it('stacks tensors of different types as f32', async () => {
    const bf16 = {
      ...(await vector(0)),
      name: 'b',
      shape: [2, 1],
      type: BF16,
      read: async () => new Uint8Array([0x80, 0x3f, 0, 0xc0]),
    };
    expect(await all(stack([bf16, await matrix(1, 2)]), 9)).toEqual([1, -2, 0, 1]);
  });

  it('names the tensor whose shape is wrong', async () => {
    const m = await matrix(4, 2);
    expect(() => interleaveHeads(m, 3)).toThrow(
      /tensor "m": its shape is \[4, 2\] and should be 3 heads of an even width/,
    );
    expect(() => sliceRows(m, 3, 2)).toThrow(/at least 5 rows/);
    expect(() => reshape(m, [3, 3])).toThrow(/should be \[3, 3\]/);
    expect(() => transpose(reshape(m, [8]))).toThrow(/should be a matrix/);
  });

  it('refuses experts of different shapes', async () => {
    const [a, b] = [await matrix(2, 2), await matrix(3, 2)];
    expect(() => stack([a, b])).toThrow(/as its peers/);
  });
});
