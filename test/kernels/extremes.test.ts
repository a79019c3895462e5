/** Where sums could leave 16 bits, scales leave f32's normal range, or NaN get lost. */
import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/kernels/formats.ts';
import type { WeightFormat } from '../../src/kernels/formats.ts';
import { allNaN, near, sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler } from './machine.ts';
import { checkProducts, exactRows, magnitudesOf, product, seen } from './products.ts';
import { normals, numberToF16, random } from './twins/numbers.ts';
import { SCALES, randomWeights, setScales } from './twins/weights.ts';

useCompiler('optimizing');

const plain = FORMATS.filter((format) => !format.interleave);
const quantized = plain.filter((format) => format.form !== 'f32');
const columnsOf = (format: WeightFormat) => (format.form === 'f32' ? 64 : 512);

/** Every bit of weights and integer scales set, or none; f16 scales as given. */
function uniform(
  format: WeightFormat,
  rows: number,
  columns: number,
  byte: number,
  scale: number,
): Uint8Array<ArrayBuffer> {
  const bytes = randomWeights(format, rows, columns, random(1)).fill(byte);
  setScales(format, bytes, () => numberToF16(scale));
  if (format.name === 'MXFP4') for (let at = 0; at < bytes.length; at += 17) bytes[at] = 127;
  return bytes;
}

describe.each(VARIANTS)('%s: extremes', (variant) => {
  const machine = new Machine(variant);

  function check(
    format: WeightFormat,
    bytes: Uint8Array,
    rows: number,
    tokens: Float32Array[],
    what: string,
  ): void {
    const columns = tokens[0]!.length;
    machine.reset();
    const weights = exactRows(format, bytes, rows, columns);
    const magnitudes = magnitudesOf(format, bytes, rows, columns);
    const matrix = machine.repack(format, bytes, rows, columns);
    expect(matrix.bad).toBe(0);
    checkProducts(machine, matrix, weights, tokens, `${format.name}, ${what}`, { magnitudes });
  }

  it.each(quantized)('$name: all weights alike, all activations at their largest', (format) => {
    const columns = columnsOf(format);
    // The nibbles' and bytes' own extremes and a few between; for K formats the integer scales with them.
    for (const byte of [0x00, 0xff, 0x77, 0x88, 0x7f, 0x80, 0x0f, 0xf0]) {
      const bytes = uniform(format, 8, columns, byte, 1);
      const signs = [
        () => 1,
        () => -1,
        (k: number) => (k % 2 ? -1 : 1),
        (k: number) => (k % 4 < 2 ? -1 : 1),
        (k: number) => (k % 32 < 16 ? 1 : -1),
      ];
      const tokens = signs.map((sign) => Float32Array.from({ length: columns }, (_, k) => 127 * sign(k)));
      check(format, bytes, 8, tokens, `bytes ${byte}`);
    }
  });

  it.each(quantized)(
    '$name: weights at an extreme where the activation is positive, at the other where not',
    (format) => {
      // The largest sums there are: every product of the same sign.
      const columns = columnsOf(format);
      const source = random(11);
      const low = uniform(format, 8, columns, 0x00, 1);
      const high = uniform(format, 8, columns, 0xff, 1);
      const weights = [exactRows(format, low, 1, columns)[0]!, exactRows(format, high, 1, columns)[0]!];
      for (let round = 0; round < 4; round++) {
        const bytes = source.below(2) ? low : high;
        for (const flip of [1, -1]) {
          const w = weights[bytes === low ? 0 : 1]!;
          const x = Float32Array.from(w, (value) => (value < 0 ? -flip : flip) * 3);
          check(format, bytes, 8, [x, x, x, x, x], 'aligned signs');
        }
      }
    },
  );

  it.each(quantized)('$name: scales from subnormal to the largest', (format) => {
    const columns = columnsOf(format);
    const source = random(12);
    const exponents = format.name === 'MXFP4' ? [0, 1, 2, 3, 127, 200, 230] : [];
    const scales = format.name === 'MXFP4' ? [] : [1, 0x3ff, 0x400, 0x7bff, 0x8001, 0xfbff];
    for (const value of [...exponents, ...scales]) {
      const bytes = randomWeights(format, 11, columns, source);
      if (format.name === 'MXFP4') for (let at = 0; at < bytes.length; at += 17) bytes[at] = value;
      setScales(format, bytes, () => value);
      const tokens = [1, 1e-4, 300, 1e4, 1].map((size) => normals(columns, source, size));
      check(format, bytes, 11, tokens, `scale ${value}`);
    }
  });

  it.each(plain)('$name: activations from 1e-30 to 1e4', (format) => {
    const columns = columnsOf(format);
    const source = random(13);
    const bytes = randomWeights(format, 9, columns, source);
    const tokens = [1e-30, 1e-20, 1e-10, 1e3, 1e4].map((size) => normals(columns, source, size));
    machine.reset();
    const weights = exactRows(format, bytes, 9, columns);
    const matrix = machine.repack(format, bytes, 9, columns);
    const x = machine.activations(format, tokens);
    for (const [t, token] of tokens.entries()) {
      const expected = product(weights, seen(format, token));
      near(
        machine.gemv(matrix, x.at + t * x.stride),
        expected.sums,
        (i) => 3e-6 * expected.sizes[i]!,
        `${format.name}, token ${t}`,
      );
    }
    checkProducts(machine, matrix, weights, tokens, format.name);
  });

  it.each(plain)('$name: zeros and subnormal activations give what was there', (format) => {
    const columns = columnsOf(format);
    const bytes = randomWeights(format, 9, columns, random(14));
    const tokens = [0, -0, 1e-45, 1e-40, -1e-38, 1e-37].map((size) => new Float32Array(columns).fill(size));
    machine.reset();
    const matrix = machine.repack(format, bytes, 9, columns);
    const x = machine.activations(format, tokens);
    const together = machine.gemm(matrix, x.at, x.stride, tokens.length, 0.5);
    for (const t of tokens.keys()) {
      const alone = machine.gemv(matrix, x.at + t * x.stride, 0.5);
      sameBits(alone, new Float32Array(9).fill(0.5), `${format.name}, GEMV of token ${t}`);
      sameBits(together[t]!, alone, `${format.name}, GEMM, token ${t}`);
    }
  });

  it.each(plain)('$name: NaN and Inf among the activations reach every output', (format) => {
    const columns = columnsOf(format);
    const rows = 16;
    const source = random(15);
    // No weight is 0 in float formats: 0 times Inf would be NaN as well, but Inf alone stays Inf there.
    const bytes = randomWeights(format, rows, columns, source);
    for (const k of [0, 15, 16, 31, 32, columns - 1]) {
      for (const value of [NaN, Infinity, -Infinity]) {
        const tokens = Array.from({ length: 5 }, () => normals(columns, source));
        tokens[1]![k] = value;
        tokens[4]![k] = value;
        machine.reset();
        const matrix = machine.repack(format, bytes, rows, columns);
        const x = machine.activations(format, tokens);
        const together = machine.gemm(matrix, x.at, x.stride, 5);
        for (const t of tokens.keys()) {
          const alone = machine.gemv(matrix, x.at + t * x.stride);
          const what = `${format.name}, ${value} at ${k}, token ${t}`;
          for (const y of [alone, together[t]!]) {
            if (t !== 1 && t !== 4) expect(y.every(Number.isFinite), what).toBe(true);
            else if (Number.isNaN(value) || format.form !== 'f32') allNaN(y, what);
            else expect(y.some(Number.isFinite), what).toBe(false);
          }
        }
      }
    }
  });

  it.each(quantized)('$name: large activations', (format) => {
    // Up to the largest that int8 activations hold; their sums times 2^112 would be infinite.
    const columns = columnsOf(format);
    const bytes = randomWeights(format, 9, columns, random(16));
    const tokens = [3e3, 1e5, 1e6, 1.18e6, 5].map((size) =>
      Float32Array.from({ length: columns }, (_, k) => size * (1 + (k % 7))),
    );
    check(format, bytes, 9, tokens, 'large activations');
  });
});

describe('interleaved formats', () => {
  it('have the same products as Q4_0', () => {
    const machine = new Machine('simd');
    for (const format of FORMATS.filter(({ interleave }) => interleave)) {
      machine.reset();
      const plainFormat = FORMATS.find(({ name }) => name === 'Q4_0')!;
      const make = (f: WeightFormat) => machine.repack(f, randomWeights(f, 24, 96, random(3)), 24, 96);
      const [a, b] = [make(format), make(plainFormat)];
      const x = machine.activations(format, [normals(96, random(4))]);
      sameBits(machine.gemv(a, x.at), machine.gemv(b, x.at), format.name);
      expect(SCALES[format.name]).toBeUndefined();
    }
  });
});
