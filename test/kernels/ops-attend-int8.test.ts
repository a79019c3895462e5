/** ATTEND of whole numbers against naive attention, and the same bits however a prompt is cut into batches. */
import { describe, expect, it } from 'vitest';
import * as R from '../../src/kernels/record.ts';
import { Cache, makeSequence } from './attention.ts';
import type { Attention, Sequence } from './attention.ts';
import { allNaN, near, sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler } from './machine.ts';
import { wholeAttention } from './twins/ops.ts';

useCompiler('optimizing');

const int8 = { scores: 3e-4, values: 0.013 };
const CASES: Record<string, Attention> = {
  'f16, one head': { heads: 1, kvHeads: 1, width: 64, valueWidth: 64, type: R.KV_F16, rotary: 0, int8 },
  'f32, grouped': { heads: 6, kvHeads: 2, width: 16, valueWidth: 24, type: R.KV_F32, rotary: 0, int8 },
  'int8, window 70': {
    heads: 3,
    kvHeads: 3,
    width: 40,
    valueWidth: 40,
    type: R.KV_INT8,
    rotary: 0,
    window: 70,
    int8,
  },
};
const LENGTH = 133;
const CUTS = [[133], [64, 64, 5], [63, 1, 1, 62, 1, 1, 4], [120, ...Array.from({ length: 13 }, () => 1)]];

describe.each(VARIANTS)('%s: ATTEND of whole numbers', (variant) => {
  const machine = new Machine(variant, 512);

  function play(a: Attention, sequence: Sequence, cut: number[], threads = 1): Float32Array[] {
    machine.reset();
    const cache = new Cache(machine, a, 4);
    let position = 0;
    return cut.flatMap((count) => {
      const tokens = Array.from({ length: count }, () => ({
        sequence,
        position: position++,
        table: cache.table(0),
      }));
      return cache.step(tokens, threads);
    });
  }

  it.each(Object.entries(CASES))('%s', (name, a) => {
    const sequence = makeSequence(a, LENGTH, 7);
    const alone = play(
      a,
      sequence,
      Array.from({ length: LENGTH }, () => 1),
    );
    for (const [p, y] of alone.entries()) {
      const first = a.window ? Math.max(0, p - a.window + 1) : 0;
      for (let h = 0; h < a.heads; h++) {
        const kvHead = Math.floor(h / (a.heads / a.kvHeads));
        const rows = (all: Float32Array[], width: number) =>
          all.slice(first, p + 1).map((row) => row.subarray(kvHead * width, (kvHead + 1) * width));
        const values = rows(sequence.v, a.valueWidth);
        const q = sequence.q[p]!.subarray(h * a.width, (h + 1) * a.width);
        const twin = wholeAttention(q, rows(sequence.k, a.width), values, int8.scores, int8.values);
        // Beside a half f32 may round the other way, by a step of the probability.
        const close = values.filter((_, i) => twin.margins[i]! < 1e-4);
        const slack = (d: number) => close.reduce((sum, v) => sum + Math.abs(v[d]!), 0);
        near(
          y.subarray(h * a.valueWidth, (h + 1) * a.valueWidth),
          twin.output,
          (d) => 1e-5 + 2e-7 * Math.abs(twin.output[d]!) + 1.001 * int8.values * slack(d),
          `${name}, position ${p}, head ${h}`,
        );
      }
    }
    for (const counts of CUTS) {
      const together = play(a, sequence, counts, counts.length % 3 || 4);
      for (const [p, y] of together.entries())
        sameBits(y, alone[p]!, `${name}, ${counts.length} batches, position ${p}`);
    }
  });

  it('probabilities are rounded, not cut off, and few of many are left', () => {
    // Equal scores: 133 positions have 127 / 133 each, which is 1; 300 would have 0.
    const a: Attention = { heads: 1, kvHeads: 1, width: 16, valueWidth: 16, type: R.KV_F32, rotary: 0, int8 };
    const sequence = makeSequence(a, LENGTH, 5);
    for (const q of sequence.q) q.fill(0);
    const last = play(a, sequence, [LENGTH]).at(-1)!;
    const sums = Array.from({ length: 16 }, (_, d) => sequence.v.reduce((sum, v) => sum + v[d]!, 0));
    near(
      last,
      sums.map((sum) => sum * int8.values),
      () => 1e-5,
    );
    expect(Math.max(...last.map(Math.abs))).toBeGreaterThan(0.1);
  });

  it.each([R.KV_F32, R.KV_INT8])('NaN among keys or values is not lost in a cache of type %i', (type) => {
    const a: Attention = { heads: 2, kvHeads: 1, width: 32, valueWidth: 32, type, rotary: 0, int8 };
    for (const part of ['k', 'v', 'q'] as const) {
      const sequence = makeSequence(a, 5, 3);
      sequence[part][3]![7] = NaN;
      const y = play(a, sequence, [5]);
      if (part === 'v') expect(y[3]![7]).toBeNaN();
      else allNaN(y[3]!.subarray(0, 32), part);
    }
  });
});
