/** ACTIVATE and MATMUL as a program: every start, gated, exact; the same bits in any batch and any cut. */
import { describe, it } from 'vitest';
import { FORMATS } from '../../src/kernels/formats.ts';
import type { WeightFormat } from '../../src/kernels/formats.ts';
import * as R from '../../src/kernels/record.ts';
import { allNaN, near, sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler } from './machine.ts';
import type { Matrix } from './machine.ts';
import { multiply as multiplyOn, type Multiplication } from './multiply.ts';
import { exactRows, product, seen } from './products.ts';
import { normals, random } from './twins/numbers.ts';
import { gelu, geluErf, silu } from './twins/ops.ts';
import { randomWeights } from './twins/weights.ts';

useCompiler('optimizing');

const plain = FORMATS.filter((format) => !format.interleave);

describe.each(VARIANTS)('%s: MATMUL', (variant) => {
  const machine = new Machine(variant, 512);

  const multiply = (matrix: Matrix, tokens: Float32Array[], how?: Multiplication) =>
    multiplyOn(machine, matrix, tokens, how);

  /** One token at a time, batches of 1 to 9, and other cuts of the work: the same bits. */
  function sameInAnyBatch(
    matrix: Matrix,
    tokens: Float32Array[],
    how: Multiplication,
    what: string,
  ): Float32Array[] {
    const at = (from: number, to: number) => ({ ...how, before: how.before?.slice(from, to) });
    const alone = tokens.map((token, t) => multiply(matrix, [token], at(t, t + 1))[0]!);
    for (let count = 2; count <= tokens.length; count++) {
      for (const threads of count % 4 ? [1] : [1, 3]) {
        const together = multiply(matrix, tokens.slice(0, count), { ...at(0, count), threads });
        for (const [t, row] of together.entries())
          sameBits(row, alone[t]!, `${what}, ${count} tokens, token ${t}`);
      }
    }
    return alone;
  }

  function setUp(format: WeightFormat, rows: number, columns: number, seed: number) {
    const bytes = randomWeights(format, rows, columns, random(seed));
    return {
      matrix: machine.repack(format, bytes, rows, columns),
      weights: exactRows(format, bytes, rows, columns),
    };
  }

  it.each(plain)('$name: every start, odd and even numbers of groups', (format) => {
    const columns = format.blockColumns === 1 ? 96 : 256;
    const starts = [R.START_ZERO, R.START_ADD, R.START_BIAS, R.START_ADD_BIAS];
    for (const [i, rows] of [5, 16, 24, 37].entries()) {
      machine.reset();
      const source = random(i);
      const { matrix, weights } = setUp(format, rows, columns, i);
      const padded = matrix.groups * 8;
      const tokens = Array.from({ length: 9 }, () => normals(columns, source));
      const before = tokens.map(() => normals(padded, source));
      const bias = normals(padded, source);
      const start = starts[(i + format.kernel) % 4]!;
      const [adds, biased] = [start === R.START_ADD || start === R.START_ADD_BIAS, start >= R.START_BIAS];
      const what = `${format.name}, ${rows} rows, start ${start}`;
      const how = { start, bias: machine.put(bias), before };
      const results = sameInAnyBatch(matrix, tokens, how, what);
      for (const [t, y] of results.entries()) {
        const { sums, sizes } = product(weights, seen(format, tokens[t]!));
        const begin = (r: number) => (adds ? before[t]![r]! : 0) + (biased ? bias[r]! : 0);
        near(
          y.slice(0, rows),
          sums.map((sum, r) => sum + begin(r)),
          (r) => format.errorBudget * (sizes[r]! + 4),
          what,
        );
        // Rows that fill up the last group have zero weights.
        near(
          y.slice(rows),
          Array.from(y.slice(rows), (_, r) => begin(rows + r)),
          () => 1e-6,
          `${what}, padding`,
        );
      }
    }
  });

  it.each(['Q4_0', 'Q4_1', 'Q4_K', 'Q8_0'])('%s: wide rows, more than are multiplied at a time', (name) => {
    machine.reset();
    const format = FORMATS.find((row) => row.name === name)!;
    const [rows, columns, seed] = [16, 11_008, 5];
    const source = random(seed);
    const matrix = machine.repack(format, randomWeights(format, rows, columns, random(seed)), rows, columns);
    const tokens = Array.from({ length: 41 }, () => normals(columns, source));
    const alone = tokens.map((token) => multiply(matrix, [token])[0]!);
    for (const count of [2, 3, 8, 33, 41]) {
      const together = multiply(matrix, tokens.slice(0, count));
      for (const [t, row] of together.entries()) sameBits(row, alone[t]!, `${count} tokens, token ${t}`);
    }
  });

  it.each(plain)('$name: gated, with SiLU and GELU', (format) => {
    const columns = format.blockColumns === 1 ? 96 : 256;
    for (const [rows, activation, twin] of [
      [24, R.ACT_SILU, silu],
      [13, R.ACT_GELU, gelu],
    ] as const) {
      machine.reset();
      const source = random(rows);
      const gate = setUp(format, rows, columns, 1);
      const up = setUp(format, rows, columns, 2);
      const tokens = Array.from({ length: 6 }, () => normals(columns, source, 0.05));
      const what = `${format.name}, activation ${activation}`;
      const results = sameInAnyBatch(gate.matrix, tokens, { up: up.matrix, activation }, what);
      for (const [t, y] of results.entries()) {
        const x = seen(format, tokens[t]!);
        const [g, u] = [product(gate.weights, x), product(up.weights, x)];
        const expected = g.sums.map((v, r) => twin(v) * u.sums[r]!);
        // The slopes of both activations stay below 1.2.
        const limit = (r: number) =>
          format.errorBudget *
            1.2 *
            (g.sizes[r]! * Math.abs(u.sums[r]!) + u.sizes[r]! * Math.abs(g.sums[r]!)) +
          1e-6 * (1 + Math.abs(expected[r]!));
        near(y.slice(0, rows), expected, limit, `${what}, token ${t}`);
      }
    }
  });

  it.each(plain)('$name: through each activation, with a bias', (format) => {
    const columns = format.blockColumns === 1 ? 96 : 256;
    const cap = 1.5;
    for (const [rows, activation, twin] of [
      [24, R.ACT_SILU, silu],
      [13, R.ACT_GELU, gelu],
      [40, R.ACT_GELU_ERF, geluErf],
      [7, R.ACT_RELU, (x: number) => Math.max(0, x)],
      [32, R.ACT_TANH, Math.tanh],
      [56, R.ACT_SOFTCAP, (x: number) => cap * Math.tanh(x / cap)],
    ] as const) {
      machine.reset();
      const source = random(rows);
      const { matrix, weights } = setUp(format, rows, columns, 1);
      const tokens = Array.from({ length: 6 }, () => normals(columns, source, 0.05));
      const bias = normals(matrix.groups * 8, source);
      const how = { acted: true, activation, cap, start: R.START_BIAS, bias: machine.put(bias) };
      const what = `${format.name}, activation ${activation}`;
      for (const [t, y] of sameInAnyBatch(matrix, tokens, how, what).entries()) {
        const { sums, sizes } = product(weights, seen(format, tokens[t]!));
        const x = sums.map((sum, r) => sum + bias[r]!);
        const limit = (r: number) =>
          1.2 * format.errorBudget * (sizes[r]! + 4) + 1e-6 * (1 + Math.abs(x[r]!));
        near(y.slice(0, rows), x.map(twin), limit, `${what}, token ${t}`);
      }
      tokens[2]![5] = NaN;
      allNaN(multiply(matrix, tokens, how)[2]!, what);
    }
  });

  it.each(plain.filter(({ form }) => form !== 'f32'))(
    '$name: EXACT multiplies with f32 activations',
    (format) => {
      const columns = 768;
      for (const gated of [false, true]) {
        machine.reset();
        const source = random(4);
        const { matrix, weights } = setUp(format, 21, columns, 3);
        const up = setUp(format, 21, columns, 4);
        const tokens = Array.from({ length: 5 }, () => normals(columns, source, 0.05));
        const what = `${format.name}, EXACT${gated ? ', gated' : ''}`;
        const results = sameInAnyBatch(
          matrix,
          tokens,
          { exact: true, up: gated ? up.matrix : undefined },
          what,
        );
        for (const [t, y] of results.entries()) {
          const [g, u] = [product(weights, tokens[t]!), product(up.weights, tokens[t]!)];
          const expected = gated ? g.sums.map((v, r) => silu(v) * u.sums[r]!) : g.sums;
          const limit = (r: number) =>
            gated
              ? 3e-6 * (g.sizes[r]! * Math.abs(u.sums[r]!) + u.sizes[r]! * Math.abs(g.sums[r]!) + 1)
              : 2e-6 * g.sizes[r]!;
          near(y.slice(0, 21), expected, limit, `${what}, token ${t}`);
        }
      }
    },
  );

  const families = plain.filter(({ name }) => ['F16', 'Q4_0', 'Q8_0', 'Q6_K'].includes(name));
  it.each(families)('$name: many groups in chunks for 1 to 7 threads', (format) => {
    const columns = format.blockColumns === 256 ? 256 : 64;
    machine.reset();
    const rows = 8 * 151;
    const matrix = machine.repack(format, randomWeights(format, rows, columns, random(5)), rows, columns);
    const tokens = Array.from({ length: 5 }, (_, t) => normals(columns, random(t)));
    const alone = tokens.map((token) => multiply(matrix, [token])[0]!);
    for (const threads of [2, 7]) {
      sameBits(multiply(matrix, [tokens[0]!], { threads })[0]!, alone[0]!, `${threads} threads, alone`);
      for (const [t, y] of multiply(matrix, tokens, { threads }).entries()) {
        sameBits(y, alone[t]!, `${threads} threads, token ${t}`);
      }
    }
  });

  it('NaN activations reach every output of their token and of no other', () => {
    for (const format of plain) {
      machine.reset();
      const { matrix } = setUp(format, 16, 256, 6);
      const tokens = Array.from({ length: 5 }, (_, t) => normals(256, random(t)));
      const clean = multiply(matrix, tokens);
      tokens[3]![77] = NaN;
      for (const exact of format.form === 'f32' ? [false] : [false, true]) {
        const y = multiply(matrix, tokens, { exact });
        allNaN(y[3]!, format.name);
        if (!exact) for (const t of [0, 1, 2, 4]) sameBits(y[t]!, clean[t]!, format.name);
        allNaN(multiply(matrix, [tokens[3]!], { exact })[0]!, format.name);
      }
    }
  });
});
