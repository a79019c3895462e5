/** Activations with a scale known beforehand, and MATMUL with SCALED: the ops of W8A8 layers. */
import { describe, expect, it } from 'vitest';
import { GEMM_KERNEL, GEMV_KERNEL } from '../../src/kernels/exports.ts';
import { activationBytes, I8 } from '../../src/kernels/formats.ts';
import * as R from '../../src/kernels/record.ts';
import { UNPACKED_BYTES } from '../../src/engine/layout/scratch.ts';
import { allNaN, near, sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler } from './machine.ts';
import type { Matrix } from './machine.ts';
import { emptyRows, getRows, putRows, run } from './program.ts';
import { normals, random, roundHalfEven } from './twins/numbers.ts';
import { randomWeights } from './twins/weights.ts';

useCompiler('optimizing');

const clip = (y: number) => Math.max(-128, Math.min(127, y));
/** What quantizeRowBy makes of a value: every step in f32. */
const steps = (x: number, scale: number) => clip(roundHalfEven(Math.fround(x / scale)));

describe.each(VARIANTS)('%s: quantizeRowBy', (variant) => {
  const machine = new Machine(variant);

  /** Row k of the identity has the k-th value as its product, whatever the form of the activations is. */
  function quantized(x: Float32Array, scale: number): Float32Array {
    machine.reset();
    const n = x.length;
    const identity = Int8Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    const matrix = machine.repack(I8, new Uint8Array(identity.buffer), n, n);
    const from = machine.put(x),
      to = machine.alloc(activationBytes(I8.form, n));
    machine.kernels.quantizeRowBy(from, n, to, scale);
    const y = machine.gemv(matrix, to);
    machine.checkFences();
    return y;
  }

  it('rounds to the nearest step, ties to even, and clips', () => {
    const halves = Float32Array.from({ length: 64 }, (_, k) => k - 31.5);
    sameBits(quantized(halves, 1), halves.map(roundHalfEven), 'halves');
    for (const scale of [1, 0.037, 250, 1e-20]) {
      const x = normals(96, random(1), 60 * scale);
      x[5] = 1e30;
      x[70] = -1e30;
      const expected = x.map((v) => Math.fround(steps(v, Math.fround(scale)) * Math.fround(scale)));
      sameBits(quantized(x, scale), expected, `scale ${scale}`);
    }
  });

  it('a value that is not finite cannot pass unseen', () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      for (const at of [0, 31, 32, 63]) {
        const x = normals(64, random(2), 50);
        expect(quantized(x, 1).every(Number.isFinite)).toBe(true);
        x[at] = value;
        allNaN(quantized(x, 1), `${value} at ${at}`);
      }
    }
  });
});

interface Scaled {
  scale: number;
  /** One per row of whole groups. */
  rowScales?: Float32Array;
  start?: number;
  bias?: Float32Array;
  before?: Float32Array[];
  int8?: boolean;
  threads?: number;
}

describe.each(VARIANTS)('%s: MATMUL with SCALED', (variant) => {
  const machine = new Machine(variant, 512);

  function multiply(matrix: Matrix, tokens: Float32Array[], inputScale: number, how: Scaled): Float32Array[] {
    const stride = activationBytes(I8.form, matrix.columns) + 64;
    const shared = machine.alloc(stride * tokens.length);
    const from = putRows(machine, tokens);
    const width = matrix.groups * 8;
    const to = how.before ? putRows(machine, how.before) : emptyRows(machine, tokens.length, width);
    const activate = {
      opcode: R.OP_ACTIVATE,
      floats: { [R.INPUT_SCALE]: inputScale },
      words: {
        [R.FROM]: from.at,
        [R.FROM_STRIDE]: from.stride,
        [R.WIDTH]: matrix.columns,
        [R.XS_SHARED]: shared,
        [R.XS_STRIDE]: stride,
      },
    };
    const matmul = {
      opcode: R.OP_MATMUL,
      flags: R.SCALED | (how.int8 ? R.ACTED : 0),
      floats: { [R.SUM_SCALE]: how.scale },
      words: {
        [R.TO]: to.at,
        [R.TO_STRIDE]: to.stride,
        [R.WIDTH]: matrix.columns,
        [R.WEIGHTS]: matrix.at,
        [R.GROUP_BYTES]: matrix.groupBytes,
        [R.ROW_GROUPS]: matrix.groups,
        [R.UNITS]: matrix.units,
        [R.GEMV]: machine.kernels.kernelIndex(I8.kernel, GEMV_KERNEL),
        [R.GEMM]: machine.kernels.kernelIndex(I8.kernel, GEMM_KERNEL),
        [R.X_SHARED]: shared,
        [R.X_STRIDE]: stride,
        [R.START]: how.start ?? R.START_ZERO,
        [R.BIAS]: how.bias ? machine.put(how.bias) : 0,
        [R.ACTIVATION]: R.ACT_INT8,
        [R.ROW_SCALES]: how.rowScales ? machine.put(how.rowScales) : 0,
      },
    };
    const scratch = Math.max(tokens.length, matrix.groups) * 32 + UNPACKED_BYTES;
    run(machine, [activate, matmul], { tokens: tokens.length, threads: how.threads, scratch });
    return getRows(machine, to);
  }

  const CASES: [name: string, rows: number, start: number, int8: boolean, perRow: boolean][] = [
    ['a scale of the tensor', 16, R.START_ZERO, false, false],
    ['added, of rows', 37, R.START_ADD, false, true],
    ['a bias, of rows', 5, R.START_BIAS, false, true],
    ['added with a bias', 24, R.START_ADD_BIAS, false, false],
    ['rounded', 40, R.START_BIAS, true, false],
  ];

  it.each(CASES)('%s', (name, rows, start, int8, perRow) => {
    machine.reset();
    const columns = 96,
      inputScale = 0.031,
      scale = 0.0021;
    const source = random(rows);
    const bytes = randomWeights(I8, rows, columns, source);
    const weights = new Int8Array(bytes.buffer);
    const matrix = machine.repack(I8, bytes, rows, columns);
    const padded = matrix.groups * 8;
    const tokens = Array.from({ length: 9 }, () => normals(columns, source));
    const before = tokens.map(() => normals(padded, source));
    const bias = normals(padded, source, 3);
    const rowScales = perRow ? normals(padded, source).map((v) => 1 + 0.1 * v) : undefined;
    const how = { scale, rowScales, start, bias, int8 };
    const alone = tokens.map(
      (x, t) => multiply(matrix, [x], inputScale, { ...how, before: [before[t]!] })[0]!,
    );
    const adds = start === R.START_ADD || start === R.START_ADD_BIAS;
    for (const [t, y] of alone.entries()) {
      const q = Array.from(tokens[t]!, (v) => steps(v, Math.fround(inputScale)));
      const sums = Array.from({ length: rows }, (_, r) => {
        const dot = q.reduce((sum, v, k) => sum + v * weights[r * columns + k]!, 0);
        return (
          dot * inputScale * scale * (rowScales?.[r] ?? 1) +
          (adds ? before[t]![r]! : 0) +
          (start >= R.START_BIAS ? bias[r]! : 0)
        );
      });
      if (int8) {
        for (const [r, sum] of sums.entries()) {
          // Beside a half f32 may round the other way.
          const close = Math.abs(sum - Math.floor(sum) - 0.5) < 1e-4;
          near([y[r]!], [clip(roundHalfEven(sum))], () => (close ? 1 : 0), `${name}, row ${r}`);
        }
      } else near(y.slice(0, rows), sums, () => 1e-4, `${name}, token ${t}`);
    }
    for (let count = 2; count <= 9; count++) {
      const some = { ...how, before: before.slice(0, count), threads: count % 4 ? 1 : 3 };
      for (const [t, y] of multiply(matrix, tokens.slice(0, count), inputScale, some).entries()) {
        sameBits(y, alone[t]!, `${name}, ${count} tokens, token ${t}`);
      }
    }
    tokens[2]![5] = NaN;
    const y = multiply(matrix, tokens, inputScale, { ...how, before });
    allNaN(y[2]!, name);
    sameBits(y[3]!, alone[3]!, name);
  });

  it('the largest sums are whole: nothing is lost but by the scale', () => {
    machine.reset();
    const columns = 544,
      rows = 8;
    const matrix = machine.repack(I8, new Uint8Array(rows * columns).fill(0x80), rows, columns);
    for (const value of [-128, 127]) {
      const tokens = Array.from({ length: 5 }, () => new Float32Array(columns).fill(value));
      for (const y of multiply(matrix, tokens, 1, { scale: 1 })) {
        sameBits(y, new Float32Array(rows).fill(-128 * value * columns), `activations of ${value}`);
      }
    }
  });
});
