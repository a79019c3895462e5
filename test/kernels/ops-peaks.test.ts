/** MATMUL with PEAKS: the largest of every PEAK_SPAN values, against a twin that looks at the rows. */
import { describe, expect, it } from 'vitest';
import { FORMATS, type WeightFormat } from '../../src/kernels/formats.ts';
import * as R from '../../src/kernels/record.ts';
import { sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler, type Matrix } from './machine.ts';
import { multiply, type Multiplication } from './multiply.ts';
import { emptyRows, getRows } from './program.ts';
import { normals, random } from './twins/numbers.ts';
import { randomWeights } from './twins/weights.ts';

useCompiler('optimizing');

const COLUMNS = 256;
/** One of each family of kernels. */
const FAMILIES = FORMATS.filter(({ name }) =>
  ['F32', 'F16', 'Q4_0', 'Q8_0', 'Q4_K', 'Q6_K', 'I8'].includes(name),
);

/** The largest of each span, or NaN where one is not finite. */
function twin(row: Float32Array): number[] {
  return Array.from({ length: Math.ceil(row.length / R.PEAK_SPAN) }, (_, span) => {
    const values = [...row.slice(span * R.PEAK_SPAN, (span + 1) * R.PEAK_SPAN)];
    return values.every((value) => Number.isFinite(value)) ? Math.max(...values) : NaN;
  });
}

describe.each(VARIANTS)('%s: PEAKS', (variant) => {
  const machine = new Machine(variant, 512);

  function setUp(format: WeightFormat, rows: number, columns = COLUMNS): Matrix {
    machine.reset();
    return machine.repack(format, randomWeights(format, rows, columns, random(rows)), rows, columns);
  }

  /** Rows with peaks, checked against the twin, and against rows without. */
  function checked(matrix: Matrix, tokens: Float32Array[], how: Multiplication, what: string): number[][] {
    const peaks = emptyRows(machine, tokens.length, Math.ceil(matrix.groups / (R.PEAK_SPAN / 8)), 12345);
    const rows = multiply(machine, matrix, tokens, { ...how, peaks });
    const without = multiply(machine, matrix, tokens, how);
    return getRows(machine, peaks).map((found, t) => {
      sameBits(rows[t]!, without[t]!, `${what}, token ${t}`);
      expect([...found], `${what}, token ${t}`).toEqual(twin(rows[t]!));
      return [...found];
    });
  }

  // 1 to 3 tokens go through GEMV, more through GEMM; spans and chunks end anywhere.
  it.each(FAMILIES)('$name: one token and batches, vocabularies of any size', (format) => {
    for (const rows of [5, 8, 16, 37, 64, 70, 8 * 75, 8 * 203]) {
      const matrix = setUp(format, rows);
      for (const count of [1, 2, 4, 9]) {
        const tokens = Array.from({ length: count }, (_, t) => normals(COLUMNS, random(t), 0.05));
        for (const exact of format.form === 'f32' ? [false] : [false, true]) {
          for (const threads of [1, 3]) {
            checked(matrix, tokens, { exact, threads }, `${format.name}, ${rows} rows, exact ${exact}`);
          }
        }
      }
    }
  });

  it('wide rows, more than are multiplied at a time', () => {
    const columns = 11_008;
    const matrix = setUp(
      FORMATS.find(({ name }) => name === 'Q4_0')!,
      16,
      columns,
    );
    const tokens = Array.from({ length: 41 }, (_, t) => normals(columns, random(t), 0.05));
    checked(matrix, tokens, {}, 'Q4_0, 41 tokens');
  });

  it.each(FAMILIES)('$name: of what goes through an activation', (format) => {
    const matrix = setUp(format, 37);
    const how = { acted: true, activation: R.ACT_SOFTCAP, cap: 0.5 };
    for (const count of [1, 5]) {
      const tokens = Array.from({ length: count }, (_, t) => normals(COLUMNS, random(t), 0.05));
      for (const peaks of checked(matrix, tokens, how, format.name)) {
        expect(Math.max(...peaks)).toBeLessThanOrEqual(0.5);
      }
    }
  });

  it.each([NaN, Infinity, -Infinity])('%d hides behind nothing, wherever it is', (bad) => {
    const format = FORMATS.find(({ name }) => name === 'Q4_0')!;
    const rows = 3 * R.PEAK_SPAN;
    for (let at = 0; at < rows; at += 5) {
      const matrix = setUp(format, rows);
      const bias = new Float32Array(rows).fill(1);
      bias[at] = bad;
      const how = { start: R.START_BIAS, bias: machine.put(bias) };
      for (const count of [1, 2, 5]) {
        const tokens = Array.from({ length: count }, (_, t) => normals(COLUMNS, random(t), 0.05));
        for (const peaks of checked(matrix, tokens, how, `${bad} in row ${at}`)) {
          expect(peaks.map(Number.isNaN)).toEqual(
            [0, 1, 2].map((group) => group === Math.floor(at / R.PEAK_SPAN)),
          );
        }
      }
    }
  });
});
