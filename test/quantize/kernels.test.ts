/** The quantizers against ggml's bytes: rows of every kind, with and without importance. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { TENSOR_TYPES, tensorTypeByName } from '../../src/gguf/index.ts';
import { loadQuantizeModules, QUANTIZED_TYPES, QuantizeKernels } from '../../tools/quantize/kernels.ts';

const ROWS = 17;
const COLUMNS = 256;
const read = (name: string) =>
  Uint8Array.from(readFileSync(new URL(`../fixtures/kernels/${name}`, import.meta.url)));
const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);

const INPUT = floats(read('input.f32.bin'));
const IMPORTANCE = floats(read('imatrix.weights.f32.bin'));
const PLAIN = QUANTIZED_TYPES.filter((name) => name !== 'F32');
const SEARCHED = PLAIN.filter((name) => !['F16', 'BF16', 'Q8_0', 'MXFP4'].includes(name));

let kernels: QuantizeKernels;
beforeAll(async () => {
  kernels = new QuantizeKernels(await loadQuantizeModules());
});

const id = (name: string) => tensorTypeByName(name)!.id;

test.each(PLAIN)('%s: the bytes of ggml', (name) => {
  expect(kernels.quantize(id(name), INPUT, ROWS, COLUMNS)).toEqual(read(`${name}.q.bin`));
});

test.each(SEARCHED)('%s with importance: the bytes of ggml', (name) => {
  const bytes = kernels.quantize(id(name), INPUT, ROWS, COLUMNS, IMPORTANCE);
  expect(bytes).toEqual(read(`${name}.imatrix.q.bin`));
  expect(bytes).not.toEqual(read(`${name}.q.bin`));
});

test.each(PLAIN)('%s and back: the values of ggml', (name) => {
  const values = kernels.dequantize(id(name), read(`${name}.q.bin`), ROWS, COLUMNS);
  expect(values).toEqual(floats(read(`${name}.deq.f32.bin`)));
});

describe('rows of other lengths', () => {
  /** A row whose blocks fill the four lanes of a search in part: 1 to 9 blocks. */
  test.each([32, 64, 96, 160, 288])('%i columns: block by block as in a long row', (columns) => {
    const blocks = columns / 32;
    for (const name of ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'IQ4_NL', 'MXFP4']) {
      const whole = read(`${name}.q.bin`);
      const bytesPerBlock = tensorTypeByName(name)!.bytesPerBlock;
      // Without importance a block does not depend on its row.
      const bytes = kernels.quantize(id(name), INPUT.subarray(0, 3 * columns), 3, columns);
      expect(bytes).toEqual(whole.subarray(0, 3 * blocks * bytesPerBlock));
    }
  });

  test('importance counts by row: a row alone is as among others', () => {
    for (const name of SEARCHED) {
      const all = kernels.quantize(id(name), INPUT, ROWS, COLUMNS, IMPORTANCE);
      const row = 3;
      const alone = kernels.quantize(
        id(name),
        INPUT.subarray(row * COLUMNS, (row + 1) * COLUMNS),
        1,
        COLUMNS,
        IMPORTANCE,
      );
      expect(alone).toEqual(all.subarray(row * alone.length, (row + 1) * alone.length));
    }
  });

  test('F16 and BF16 of any length', () => {
    for (const name of ['F16', 'BF16']) {
      for (const columns of [1, 3, 7, 9, 255]) {
        const bytes = kernels.quantize(id(name), INPUT.subarray(0, columns), 1, columns);
        expect(bytes).toEqual(read(`${name}.q.bin`).subarray(0, columns * 2));
        const back = kernels.dequantize(id(name), bytes, 1, columns);
        expect(back).toEqual(floats(read(`${name}.deq.f32.bin`)).subarray(0, columns));
      }
    }
  });
});

describe('what it refuses', () => {
  test.each(['F32', 'F16', 'Q4_0', 'Q4_K'])('NaN in %s', (name) => {
    const bytes = new Uint8Array(COLUMNS * 4)
      .fill(0xff)
      .subarray(0, (COLUMNS / tensorTypeByName(name)!.blockSize) * tensorTypeByName(name)!.bytesPerBlock);
    expect(() => kernels.dequantize(id(name), bytes, 1, COLUMNS)).toThrow(/NaN or infinite/);
  });

  test('types without a quantizer or kernels, bytes that are too few, importance of another width', () => {
    const others = [...TENSOR_TYPES.values()].filter(
      ({ name }) => name !== 'I8' && !(QUANTIZED_TYPES as readonly string[]).includes(name),
    );
    expect(others.length).toBeGreaterThan(10);
    for (const type of others) {
      expect(() => kernels.quantize(type.id, INPUT, ROWS, COLUMNS)).toThrow(`quantized to ${type.name}`);
    }
    expect(() => kernels.dequantize(id('IQ2_XXS'), new Uint8Array(66), 1, COLUMNS)).toThrow(
      /IQ2_XXS cannot be read/,
    );
    expect(() => kernels.dequantize(id('Q4_0'), new Uint8Array(17), 1, 32)).toThrow(/18 bytes, not 17/);
    expect(() => kernels.quantize(id('Q4_K'), INPUT, ROWS, COLUMNS, IMPORTANCE.subarray(1))).toThrow(
      /255 columns/,
    );
  });
});

test('converts quantized rows as if by way of f32', () => {
  const q4 = read('Q4_1.q.bin');
  const values = kernels.dequantize(id('Q4_1'), q4, ROWS, COLUMNS);
  const direct = kernels.convert(id('Q4_1'), q4, ROWS, COLUMNS, id('Q6_K'));
  expect(direct).toEqual(kernels.quantize(id('Q6_K'), values, ROWS, COLUMNS));
  expect(kernels.convert(id('Q4_1'), q4, ROWS, COLUMNS, id('F32'))).toEqual(new Uint8Array(values.buffer));
});

test('I8: rows that have been divided by their scales, halves to even, -127 at least', () => {
  const values = Float32Array.from({ length: 32 }, (_, i) => (i - 16) / 2);
  values.set([200, -200, 126.5, -127.4]);
  const bytes = new Int8Array(kernels.quantize(id('I8'), values, 1, 32).buffer);
  expect([...bytes.subarray(0, 8)]).toEqual([127, -127, 126, -127, -6, -6, -5, -4]);
  expect([...bytes.subarray(16, 22)]).toEqual([0, 0, 1, 2, 2, 2]);
});
