/** The search for clipping ranges against a naive one, block by block, and that it lessens the errors of the outputs. */
import { beforeAll, describe, expect, test } from 'vitest';
import { tensorTypeByName } from '../../../src/gguf/index.ts';
import { loadQuantizeModules } from '../../../tools/quantize/kernels.ts';
import { ClippingKernels } from '../../../tools/quantize/methods/clipping.ts';

let kernels: ClippingKernels;
beforeAll(async () => {
  kernels = new ClippingKernels(await loadQuantizeModules());
});

const F32 = 0;
const ROWS = 9;
const COLUMNS = 256;
const SAMPLES = 40;
const id = (name: string) => tensorTypeByName(name)!.id;
const noise = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => (Math.sin(seed + i * 12.9898) * 43758.5453) % 1);
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Weights with a few that are far larger than their neighbours. */
const weights = noise(ROWS * COLUMNS, 1).map((value, i) => (i % 37 === 0 ? 3 : 1) * value);
/** Inputs of different sizes; those that meet the large weights are small. */
const samples = noise(SAMPLES * COLUMNS, 2).map(
  (value, i) => value * (1 + (i % 5)) * (i % 37 === 0 ? 0.1 : 1),
);
const importance = noise(COLUMNS, 3).map((value) => value * value + 0.1);

/** |X_g e|^2 for a group of columns from `first`. */
function errorOf(e: ArrayLike<number>, first: number): number {
  let sum = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    let output = 0;
    for (let k = 0; k < e.length; k++) output += e[k]! * samples[sample * COLUMNS + first + k]!;
    sum += output * output;
  }
  return sum;
}

const valuesOf = (type: string, bytes: Uint8Array, rows: number, columns: number): Float32Array =>
  kernels.dequantize(id(type), bytes, rows, columns);

/** A block of 32 as the best of its ranges makes it. */
function naive(type: string, row: number, first: number): Float32Array {
  const at = row * COLUMNS + first;
  const w = weights.slice(at, at + 32);
  const most = Math.max(...w.map(Math.abs));
  let best: { error: number; values: Float32Array } = { error: Infinity, values: w };
  for (let i = 0; i <= 10; i++) {
    const limit = Math.fround(most * Math.fround(1 - i * 0.05));
    const clipped = w.map((value) => Math.max(-limit, Math.min(limit, value)));
    const values = valuesOf(type, kernels.quantize(id(type), clipped, 1, 32), 1, 32);
    const error = errorOf(
      values.map((value, k) => value - w[k]!),
      first,
    );
    if (error < best.error) best = { error, values };
  }
  return best.values;
}

test.each(['Q4_0', 'Q4_1', 'Q5_0'])('%s: the ranges that a naive search finds', (type) => {
  const made = kernels.convertClipped(F32, bytesOf(weights), ROWS, COLUMNS, id(type), {}, samples);
  const values = valuesOf(type, made, ROWS, COLUMNS);
  for (let row = 0; row < ROWS; row++) {
    for (let first = 0; first < COLUMNS; first += 32) {
      const at = row * COLUMNS + first;
      expect([...values.subarray(at, at + 32)]).toEqual([...naive(type, row, first)]);
    }
  }
});

describe.each(['Q4_0', 'Q5_1', 'IQ4_NL', 'Q2_K', 'Q3_K', 'Q4_K', 'Q6_K'])('%s', (type) => {
  test.each([false, true])(
    'no block is worse than without, and some are better, importance: %s',
    (important) => {
      const treatment = important ? { importance } : {};
      const source = bytesOf(weights);
      const plain = kernels.convert(F32, source, ROWS, COLUMNS, id(type), treatment);
      const clipped = kernels.convertClipped(F32, source, ROWS, COLUMNS, id(type), treatment, samples);
      expect(clipped).toHaveLength(plain.length);
      const { blockSize } = tensorTypeByName(type)!;
      const group = ['Q2_K', 'Q3_K', 'Q6_K'].includes(type) ? 16 : 32;
      const errorsOf = (bytes: Uint8Array): number[] => {
        const e = valuesOf(type, bytes, ROWS, COLUMNS).map((value, i) => value - weights[i]!);
        return Array.from({ length: (ROWS * COLUMNS) / blockSize }, (_, block) => {
          let sum = 0;
          for (let k = block * blockSize; k < (block + 1) * blockSize; k += group) {
            sum += errorOf(e.subarray(k, k + group), k % COLUMNS);
          }
          return sum;
        });
      };
      const [before, after] = [errorsOf(plain), errorsOf(clipped)];
      // With importance, the searches of blocks of 32 also look at the rest of the row.
      const slack = important ? 1.05 : 1.0001;
      after.forEach((error, block) => expect(error).toBeLessThanOrEqual(before[block]! * slack));
      const total = (errors: number[]) => errors.reduce((a, b) => a + b, 0);
      expect(total(after)).toBeLessThan(total(before));
    },
  );
});

test('factors on columns and rows come first', () => {
  const columns = noise(COLUMNS, 6).map((value) => 1 + 0.5 * value);
  const rows = noise(ROWS, 7).map((value) => 1 + 0.5 * value);
  const scaled = weights.map((value, i) =>
    Math.fround(Math.fround(value * columns[i % COLUMNS]!) * rows[Math.floor(i / COLUMNS)]!),
  );
  const to = id('Q4_0');
  const made = kernels.convertClipped(F32, bytesOf(weights), ROWS, COLUMNS, to, { columns, rows }, samples);
  const expected = kernels.convertClipped(F32, bytesOf(scaled), ROWS, COLUMNS, to, {}, samples);
  expect(made).toEqual(expected);
});
