/** Ops that take rows one by one: EMBED, GATHER, ACTIVATE, NORM, ADD_NORM, GATE; and normRow. */
import { describe, expect, it } from 'vitest';
import { FORMATS, activationBytes } from '../../src/kernels/formats.ts';
import * as R from '../../src/kernels/record.ts';
import { DEQUANTIZE_KERNEL } from '../../src/kernels/exports.ts';
import { allNaN, near, sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler } from './machine.ts';
import { PRIVATE_X, emptyRows, getRows, putRows, run } from './program.ts';
import { normals, random } from './twins/numbers.ts';
import { gelu, geluErf, layerNorm, rmsNorm, silu } from './twins/ops.ts';
import { randomWeights } from './twins/weights.ts';

useCompiler('optimizing');

describe.each(VARIANTS)('%s: ops on rows', (variant) => {
  const machine = new Machine(variant);

  it.each(FORMATS)('EMBED: rows of $name by id, scaled', (format) => {
    machine.reset();
    const columns = format.blockColumns === 1 ? 64 : 256;
    const matrix = machine.repack(format, randomWeights(format, 24, columns, random(1)), 24, columns);
    const ids = [0, 23, 7, 8, 16, 8, 1];
    for (const scale of [1, 0.5, Math.fround(Math.sqrt(columns))]) {
      const to = emptyRows(machine, ids.length, columns);
      const words = {
        [R.TO]: to.at,
        [R.TO_STRIDE]: to.stride,
        [R.WIDTH]: columns,
        [R.WEIGHTS]: matrix.at,
        [R.GROUP_BYTES]: matrix.groupBytes,
        [R.UNITS]: matrix.units,
        [R.DEQUANTIZE]: machine.kernels.kernelIndex(format.kernel, DEQUANTIZE_KERNEL),
      };
      const tokenIds = machine.put(Int32Array.from(ids));
      run(machine, [{ opcode: R.OP_EMBED, words, floats: { [R.SCALE]: scale } }], {
        tokens: ids.length,
        tokenIds,
      });
      for (const [t, row] of getRows(machine, to).entries()) {
        const expected = machine.dequantize(matrix, ids[t]!).map((v) => Math.fround(v * scale));
        sameBits(row, expected, `${format.name}, token ${t}`);
      }
    }
  });

  it.each(FORMATS)('EMBED: rows of $name by position, and row 0, added to what is there', (format) => {
    machine.reset();
    const columns = format.blockColumns === 1 ? 64 : 256;
    const matrix = machine.repack(format, randomWeights(format, 24, columns, random(2)), 24, columns);
    const positions = [3, 17, 4, 0, 23];
    for (const [by, rowOf] of [
      [R.BY_POSITION, (t: number) => positions[t]!],
      [R.BY_ZERO, () => 0],
    ] as const) {
      const before = positions.map((p) => normals(columns, random(p)));
      const to = putRows(machine, before);
      const words = {
        [R.TO]: to.at,
        [R.TO_STRIDE]: to.stride,
        [R.WIDTH]: columns,
        [R.WEIGHTS]: matrix.at,
        [R.GROUP_BYTES]: matrix.groupBytes,
        [R.UNITS]: matrix.units,
        [R.DEQUANTIZE]: machine.kernels.kernelIndex(format.kernel, DEQUANTIZE_KERNEL),
        [R.ROWS_BY]: by,
        [R.START]: R.START_ADD,
      };
      run(machine, [{ opcode: R.OP_EMBED, words, floats: { [R.SCALE]: 1 } }], {
        tokens: positions.length,
        positions: machine.put(Int32Array.from(positions)),
        tokenIds: machine.put(Int32Array.from(positions, () => 9)),
      });
      for (const [t, row] of getRows(machine, to).entries()) {
        const added = machine.dequantize(matrix, rowOf(t));
        sameBits(
          row,
          before[t]!.map((v, i) => Math.fround(v + added[i]!)),
          `${format.name}, token ${t}`,
        );
      }
    }
  });

  it('GATHER: rows side by side, in any order', () => {
    machine.reset();
    const rows = Array.from({ length: 6 }, (_, i) => normals(36, random(i)));
    const from = putRows(machine, rows);
    const order = [5, 0, 0, 3];
    const to = emptyRows(machine, order.length, 36);
    const words = {
      [R.FROM]: from.at,
      [R.FROM_STRIDE]: from.stride,
      [R.TO]: to.at,
      [R.TO_STRIDE]: to.stride,
      [R.WIDTH]: 36,
    };
    const outputRows = machine.put(Int32Array.from(order));
    run(machine, [{ opcode: R.OP_GATHER, flags: R.ON_OUTPUTS, words }], {
      tokens: 6,
      outputs: 4,
      outputRows,
    });
    for (const [i, row] of getRows(machine, to).entries()) sameBits(row, rows[order[i]!]!, `output ${i}`);
    // No outputs: nothing to do, and no waiting.
    run(machine, [{ opcode: R.OP_GATHER, flags: R.ON_OUTPUTS, words }], {
      tokens: 6,
      outputs: 0,
      outputRows,
    });
  });

  it('normRow: both norms, with and without weights, in place or not, odd multiples of 4', () => {
    for (const width of [4, 12, 64, 100, 576]) {
      for (const size of [1e-3, 1, 300]) {
        const source = random(width);
        const x = normals(width, source, size).map((v) => v + size);
        const [w, b] = [normals(width, source), normals(width, source)];
        for (const kind of [R.NORM_RMS, R.NORM_LAYER]) {
          for (const [weight, bias] of [
            [w, b],
            [w, undefined],
            [undefined, undefined],
          ]) {
            for (const inPlace of [false, true]) {
              machine.reset();
              const from = machine.put(x);
              const to = inPlace ? from : machine.alloc(width * 4);
              machine.kernels.normRow(
                kind,
                from,
                to,
                width,
                weight ? machine.put(weight) : 0,
                bias ? machine.put(bias) : 0,
                1e-5,
              );
              const twin = kind === R.NORM_RMS ? rmsNorm : layerNorm;
              const expected = twin(x, Math.fround(1e-5), weight, bias);
              near(
                machine.f32(to, width),
                expected,
                (i) => 1e-6 * (3 + Math.abs(expected[i]!) + 4 * Math.abs(weight?.[i] ?? 1)),
                `width ${width}`,
              );
              machine.checkFences();
            }
          }
        }
      }
    }
  });

  it('normRow: zeros stay zeros, NaN spreads', () => {
    for (const kind of [R.NORM_RMS, R.NORM_LAYER]) {
      machine.reset();
      const x = machine.put(new Float32Array(64));
      machine.kernels.normRow(kind, x, x, 64, 0, 0, 1e-6);
      sameBits(machine.f32(x, 64), new Float32Array(64));
      machine.f32(x, 64).fill(1)[63] = NaN;
      machine.kernels.normRow(kind, x, x, 64, 0, 0, 1e-6);
      allNaN(machine.f32(x, 64));
    }
  });

  const norms = [
    ['none', R.NORM_NONE],
    ['RMS', R.NORM_RMS],
    ['layer', R.NORM_LAYER],
  ] as const;
  it.each(norms)('ACTIVATE: %s norm, every choice of forms, alone and in a batch', (_, kind) => {
    const width = 96;
    const source = random(kind);
    const x = Array.from({ length: 5 }, () => normals(width, source, 3));
    const [weight, bias] = [normals(width, source), normals(width, source)];
    const [bytes8, bytes16] = [activationBytes('int8', width), activationBytes('int16', width)];
    for (let forms = 1; forms < 8; forms++) {
      machine.reset();
      const from = putRows(machine, x);
      const [w, b] = [machine.put(weight), machine.put(bias)];
      const stride = { x8: forms & 1 ? 256 : 0, x16: forms & 2 ? 320 : 0, x32: forms & 4 ? 448 : 0 };
      const shared = { x8: machine.alloc(256 * 5), x16: machine.alloc(320 * 5), x32: machine.alloc(448 * 5) };
      const words = {
        [R.FROM]: from.at,
        [R.FROM_STRIDE]: from.stride,
        [R.WIDTH]: width,
        [R.NORM]: kind,
        [R.NORM_WEIGHT]: w,
        [R.NORM_BIAS]: b,
        [R.X8_SHARED]: shared.x8,
        [R.X8_PRIVATE]: 0,
        [R.X8_STRIDE]: stride.x8,
        [R.X16_SHARED]: shared.x16,
        [R.X16_PRIVATE]: 512,
        [R.X16_STRIDE]: stride.x16,
        [R.X32_SHARED]: shared.x32,
        [R.X32_PRIVATE]: 1024,
        [R.X32_STRIDE]: stride.x32,
      };
      run(machine, [{ opcode: R.OP_ACTIVATE, words, floats: { [R.EPSILON]: 1e-5 } }], {
        tokens: 5,
        scratch: width * 4,
      });
      // The parts of the op, called one by one, are the reference: each has its own test.
      for (let t = 0; t < 5; t++) {
        const row = machine.put(x[t]!);
        if (kind !== R.NORM_NONE) machine.kernels.normRow(kind, row, row, width, w, b, 1e-5);
        const [to8, to16] = [machine.alloc(bytes8), machine.alloc(bytes16)];
        machine.kernels.quantizeRow(row, width, to8, to16);
        const same = (a: number, e: number, n: number) =>
          expect(Buffer.compare(machine.u8(a, n), machine.u8(e, n)), `forms ${forms}, token ${t}`).toBe(0);
        if (stride.x8) same(shared.x8 + 256 * t, to8, bytes8);
        if (stride.x16) for (let i = 0; i < 3; i++) same(shared.x16 + 320 * t + 80 * i, to16 + 80 * i, 68);
        if (stride.x32) same(shared.x32 + 448 * t, row, width * 4);
      }
      // A single row goes to the worker's own region instead.
      const kept = machine.u8(shared.x8, 256 * 5).slice();
      run(machine, [{ opcode: R.OP_ACTIVATE, words, floats: { [R.EPSILON]: 1e-5 } }], {
        tokens: 1,
        scratch: width * 4,
      });
      const region = machine.view().getUint32(0x2000 + 276, true);
      expect(Buffer.compare(machine.u8(shared.x8, 256 * 5), kept)).toBe(0);
      if (stride.x8)
        expect(Buffer.compare(machine.u8(region, bytes8), machine.u8(shared.x8, bytes8))).toBe(0);
      if (stride.x32) sameBits(machine.f32(region + 1024, width), machine.f32(shared.x32, width));
      expect(PRIVATE_X).toBeGreaterThan(1024 + width * 4);
    }
  });

  it('ADD_NORM: TO += norm(FROM)', () => {
    for (const kind of [R.NORM_RMS, R.NORM_LAYER]) {
      machine.reset();
      const width = 72;
      const source = random(kind);
      const make = () => Array.from({ length: 3 }, () => normals(width, source));
      const [x, y, weight] = [make(), make(), normals(width, source)];
      const [from, to] = [putRows(machine, x), putRows(machine, y)];
      const words = {
        [R.FROM]: from.at,
        [R.FROM_STRIDE]: from.stride,
        [R.TO]: to.at,
        [R.TO_STRIDE]: to.stride,
        [R.WIDTH]: width,
        [R.NORM]: kind,
        [R.NORM_WEIGHT]: machine.put(weight),
      };
      run(machine, [{ opcode: R.OP_ADD_NORM, words, floats: { [R.EPSILON]: 1e-6 } }], {
        tokens: 3,
        scratch: width * 4,
      });
      for (const [t, row] of getRows(machine, to).entries()) {
        const normed = (kind === R.NORM_RMS ? rmsNorm : layerNorm)(x[t]!, 1e-6, weight);
        near(
          row,
          normed.map((v, i) => v + y[t]![i]!),
          () => 5e-6,
          `token ${t}`,
        );
        sameBits(getRows(machine, from)[t]!, x[t]!, 'FROM');
      }
    }
  });

  it.each(norms.slice(1))('NORM: %s, in place and elsewhere', (_, kind) => {
    const width = 100;
    const source = random(kind);
    const x = Array.from({ length: 3 }, () => normals(width, source, 3));
    const [weight, bias] = [normals(width, source), normals(width, source)];
    for (const inPlace of [true, false]) {
      machine.reset();
      const from = putRows(machine, x);
      const to = inPlace ? from : emptyRows(machine, 3, width);
      const words = {
        [R.FROM]: from.at,
        [R.FROM_STRIDE]: from.stride,
        [R.TO]: to.at,
        [R.TO_STRIDE]: to.stride,
        [R.WIDTH]: width,
        [R.NORM]: kind,
        [R.NORM_WEIGHT]: machine.put(weight),
        [R.NORM_BIAS]: machine.put(bias),
      };
      run(machine, [{ opcode: R.OP_NORM, words, floats: { [R.EPSILON]: 1e-6 } }], { tokens: 3 });
      for (const [t, row] of getRows(machine, to).entries()) {
        const expected = (kind === R.NORM_RMS ? rmsNorm : layerNorm)(x[t]!, 1e-6, weight, bias);
        near(row, expected, () => 5e-6, `token ${t}`);
      }
    }
  });

  it('GATE: SiLU to within a few units in the last place from -85 to 85', () => {
    machine.reset();
    const x = Float32Array.from({ length: 4096 }, (_, i) => -85 + (170 * i) / 4095);
    const [to, from] = [putRows(machine, [x]), putRows(machine, [x.map(() => 1)])];
    const words = {
      [R.FROM]: from.at,
      [R.FROM_STRIDE]: from.stride,
      [R.TO]: to.at,
      [R.TO_STRIDE]: to.stride,
      [R.WIDTH]: x.length,
      [R.ACTIVATION]: R.ACT_SILU,
    };
    run(machine, [{ opcode: R.OP_GATE, words }], { tokens: 1 });
    const expected = Array.from(x, silu);
    near(getRows(machine, to)[0]!, expected, (i) => 5e-7 * Math.abs(expected[i]!), 'SiLU');
  });

  it('GATE: act(TO) * FROM, SiLU and both GELUs, from -1000 to 1000, NaN and Inf', () => {
    const gates = [
      0, -0, 1e-30, 1e-3, 0.5, -0.5, 1, -1, 3, -3, 10, -10, 87, -87, 88.5, -88.5, 100, -100, 1000, -1000,
      1e10, -1e10, 1e37, 7,
    ];
    for (const [activation, twin] of [
      [R.ACT_SILU, silu],
      [R.ACT_GELU, gelu],
      [R.ACT_GELU_ERF, geluErf],
    ] as const) {
      machine.reset();
      const x = [Float32Array.from(gates), normals(24, random(1), 4)];
      const up = [normals(24, random(2)), normals(24, random(3))];
      const [to, from] = [putRows(machine, x), putRows(machine, up)];
      const words = {
        [R.FROM]: from.at,
        [R.FROM_STRIDE]: from.stride,
        [R.TO]: to.at,
        [R.TO_STRIDE]: to.stride,
        [R.WIDTH]: 24,
        [R.ACTIVATION]: activation,
      };
      run(machine, [{ opcode: R.OP_GATE, words }], { tokens: 2 });
      for (const [t, row] of getRows(machine, to).entries()) {
        const expected = Array.from(
          x[t]!,
          (v, i) => (Math.abs(v) > 1e5 ? Math.max(v, 0) : twin(v)) * up[t]![i]!,
        );
        near(
          row,
          expected,
          (i) =>
            5e-7 * Math.abs(expected[i]!) +
            // 1 + tanh is next to 0 where GELU's tail is; SiLU has no such excuse.
            (twin !== silu ? 4e-7 * Math.min(10, Math.abs(x[t]![i]!)) * Math.abs(up[t]![i]!) : 0) +
            // Beyond 1e5 exp is clamped.
            (Math.abs(x[t]![i]!) > 80 ? 1e-26 : 0),
          `row ${t}`,
        );
      }
      machine.f32(to.at, 24).set([NaN, Infinity, 1, 1, 1, 1, 1, NaN]);
      machine.f32(from.at, 24).set([1, 1, NaN, Infinity, 1, 1, 1, 1]);
      run(machine, [{ opcode: R.OP_GATE, words }], { tokens: 1 });
      const row = getRows(machine, to)[0]!;
      allNaN([row[0]!, row[2]!, row[7]!]);
      expect([...row.slice(1, 2), ...row.slice(3, 4)]).toEqual([Infinity, Infinity]);
      expect(row.slice(4, 7).every(Number.isFinite)).toBe(true);
    }
  });
});
