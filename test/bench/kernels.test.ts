import { describe, expect, it } from 'vitest';
import { wasmOf } from '../kernels/machine.ts';
import {
  MATMUL_FORMATS,
  Matmul,
  casesOf,
  compareRows,
  describeSamples,
  parseOptions,
  speedUp,
  studentT,
} from './kernel-modules.ts';
import type { Row } from './kernel-modules.ts';

const known = {
  cores: 2,
  formats: MATMUL_FORMATS.map(({ name }) => name),
  variants: ['simd', 'dot2', 'dot4'],
};
const parse = (line: string) => parseOptions(line.split(' ').filter(Boolean), known);

describe('options', () => {
  it('measures everything unless told otherwise', () => {
    const cases = casesOf(parse(''), MATMUL_FORMATS);
    expect(new Set(cases.map(({ format }) => format.name)).size).toBe(MATMUL_FORMATS.length);
    expect(new Set(cases.map(({ kernel }) => kernel))).toEqual(new Set(['gemv', 'gemm']));
    expect(new Set(cases.map(({ threads }) => threads))).toEqual(new Set([1, 2]));
    expect(cases.every(({ kernel, tokens }) => (kernel === 'gemv' ? tokens === 1 : tokens === 64))).toBe(
      true,
    );
  });

  it('filters', () => {
    const cases = casesOf(parse('--format q4_k,Q8_0 --kernel gemv --shape 64x576 -t 1'), MATMUL_FORMATS);
    // 576 columns are no whole blocks of Q4_K.
    expect(cases.map(({ format, columns }) => [format.name, columns])).toEqual([['Q8_0', 576]]);
  });

  it.each([
    '--format Q9_9',
    '--variant avx',
    '--shape 7x64',
    '--shape 64',
    '--kernel gemx',
    '--samples 29',
    '--tokens 3',
    '-t 0',
    '--fast',
  ])('refuses %s', (line) => expect(() => parse(line)).toThrow());
});

describe('statistics', () => {
  it('has the mean with its margin of error', () => {
    const { mean, median, best, rme } = describeSamples([9, 10, 11, 14]);
    expect([mean, median, best]).toEqual([11, 10.5, 9]);
    // Deviation sqrt(14 / 3), error of the mean half of it, t for 3 degrees of freedom.
    expect(rme).toBeCloseTo((3.182 * Math.sqrt(14 / 3)) / 2 / 11, 10);
    expect(studentT(1000)).toBeCloseTo(1.962, 2);
    expect(() => describeSamples([1])).toThrow();
  });

  it('gives a ratio an interval that holds it, narrower with more samples', () => {
    const few = speedUp([2, 2.2, 1.8], [1, 1.1, 0.9]);
    const many = speedUp([2, 2.2, 1.8, 2, 2.2, 1.8], [1, 1.1, 0.9, 1, 1.1, 0.9]);
    for (const { ratio, low, high } of [few, many]) {
      expect(ratio).toBeCloseTo(2, 10);
      expect(low).toBeLessThan(2);
      expect(high).toBeGreaterThan(2);
    }
    expect(many.high / many.low).toBeLessThan(few.high / few.low);
    expect(speedUp([2, 2], [1, 1])).toEqual({ ratio: 2, low: 2, high: 2 });
  });
});

describe('comparison', () => {
  const row = (samples: number[], variant = 'dot2'): Row => ({
    ...{ kernel: 'gemv', format: 'Q4_0', variant, rows: 64, columns: 64, tokens: 1, threads: 1, cold: false },
    samples,
  });
  const base = [row([100, 101, 99, 100])];

  it('marks what is slower beyond noise', () => {
    expect(compareRows(base, [row([120, 121, 119, 120])])[0]!.verdict).toBe('SLOWER');
    expect(compareRows(base, [row([80, 81, 79, 80])])[0]!.verdict).toBe('faster');
    expect(compareRows(base, [row([101, 102, 100, 101])])[0]!.verdict).toBe('same');
    expect(compareRows(base, [row([60, 180, 150, 90])])[0]!.verdict).toBe('same');
  });

  it('leaves out what the base has not', () => {
    expect(compareRows(base, [row([1, 1], 'simd')])).toEqual([]);
  });
});

describe('a product', () => {
  const module = new WebAssembly.Module(wasmOf('simd'));

  it.each(MATMUL_FORMATS)(
    'of $name is the same with one thread and two, alone and in a batch',
    async (format) => {
      const outputs: Float32Array[] = [];
      for (const [threads, tokens] of [
        [1, 1],
        [2, 1],
        [2, 5],
      ] as const) {
        const run = new Matmul(module, { format, rows: 136, columns: 256, tokens, threads, copies: 2 });
        await run.ready();
        for (let i = 0; i < 20; i++) run.step();
        outputs.push(run.output());
        await run.close();
      }
      expect(outputs[0]!.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
      expect(outputs[1]).toEqual(outputs[0]);
      expect(outputs[2]).toEqual(outputs[0]);
    },
  );
});

describe('a slow worker', () => {
  const module = new WebAssembly.Module(wasmOf('simd'));
  const format = MATMUL_FORMATS.find(({ name }) => name === 'Q4_0')!;

  it('takes fewer chunks, and the results stay right', async () => {
    const shape = { format, rows: 2048, columns: 1024, tokens: 1, threads: 2, copies: 1 };
    const [even, uneven] = [new Matmul(module, shape), new Matmul(module, { ...shape, slow: 20 })];
    await Promise.all([even.ready(), uneven.ready()]);
    even.step();
    let steps = 0;
    // On a busy machine it may be long until a thread runs at all.
    for (; steps < 60 || (uneven.slowCalls() === 0 && steps < 50_000); steps++) uneven.step();
    const chunks = uneven.chunksTaken() * steps;
    expect(uneven.slowCalls()).toBeGreaterThan(0);
    // A fixed split would give it half.
    expect(uneven.slowCalls()).toBeLessThan(chunks / 4);
    expect(uneven.output()).toEqual(even.output());
    await Promise.all([even.close(), uneven.close()]);
  });
});
