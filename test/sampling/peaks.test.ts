/** Logits with the peaks that workers leave beside them: the same tokens, drawn from the same distributions. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ModelError, UsageError } from '../../src/errors.ts';
import type { OutputRow } from '../../src/engine/output-row.ts';
import { createSampler, type SamplerOptions } from '../../src/engine/sampler.ts';
import { peaksOf } from '../../src/engine/sampling/peaks.ts';
import { seededRandom } from '../../src/engine/sampling/random.ts';
import { PEAK_SPAN } from '../../src/kernels/record.ts';
import { gaussianLogits } from './chi-square.ts';

const token = fc.nat({ max: 4000 });
const options = fc.record({
  topK: fc.constantFrom(-1, 1, 5, 40, 150),
  topP: fc.constantFrom(0.5, 1),
  minP: fc.constantFrom(0, 0.05),
  temperature: fc.constantFrom(0, 0.1, 1, 3),
  repeatPenalty: fc.constantFrom(0.5, 1, 1.3),
  repeatLastN: fc.constantFrom(-1, 5, 64),
  logitBias: fc.array(fc.tuple(token, fc.constantFrom(-Infinity, -5, 5)), { maxLength: 4 }),
});
const past = fc.array(token, { maxLength: 40 });

/** Few distinct values: ties everywhere. With what fills up a group, the last peak is larger than its logits. */
function rowOf(size: number, seed: number, levels: number): Required<OutputRow> {
  const values = gaussianLogits(size, seededRandom(seed)).map((x) => Math.round(x * levels) / levels - 3);
  const padded = new Float32Array(Math.ceil(size / PEAK_SPAN) * PEAK_SPAN);
  padded.set(values);
  return { values, peaks: peaksOf(padded) };
}

/** Sizes from one group to more than the options look into, whole groups or not. */
const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 300, max: 8000 }));

test('the same draws, proposals and verdicts as without peaks', () => {
  let looked = 0;
  fc.assert(
    fc.property(
      options,
      past,
      size,
      fc.nat(),
      fc.constantFrom(1, 4, 1 << 20),
      (given, history, n, seed, levels) => {
        const row = rowOf(n, seed, levels);
        const bias = new Map(given.logitBias.filter(([id]) => id < n));
        const settings: SamplerOptions = { ...given, logitBias: bias, seed };
        const [plain, peaked] = [createSampler(settings, n), createSampler(settings, n)];
        const draws = (of: typeof plain, from: OutputRow) => {
          const { id, distribution } = of.propose(from, history);
          const proposed = of.judge(from, history, id, distribution);
          return [of.sample(from, history), of.sample(from, history.slice(1)), id, distribution, proposed];
        };
        expect(draws(peaked, row)).toEqual(draws(plain, { values: row.values }));
        if (n > 1000) looked++;
      },
    ),
    { numRuns: 300 },
  );
  expect(looked).toBeGreaterThan(50);
});

test('groups that cannot matter are not looked at', () => {
  const row = rowOf(4000, 1, 1 << 20);
  const order = [...row.peaks.keys()].sort((a, b) => row.peaks[b]! - row.peaks[a]!);
  for (const [given, most] of [
    [{ temperature: 0 }, 2],
    [{ topK: 5 }, 6],
  ] as const) {
    const values = row.values.slice();
    for (const group of order.slice(most)) values.fill(1e9, group * PEAK_SPAN, (group + 1) * PEAK_SPAN);
    for (let seed = 0; seed < 20; seed++) {
      const draw = (from: OutputRow) => createSampler({ ...given, seed }, 4000).sample(from, []);
      expect(draw({ ...row, values })).toEqual(draw({ values: row.values }));
    }
  }
});

describe.each([NaN, Infinity, -Infinity])('%d', (bad) => {
  test.each([{ temperature: 0 }, { topK: 5 }, { topK: 0 }])('is refused with %j, wherever it is', (given) => {
    for (const n of [5, 99, 800]) {
      for (let at = 0; at < n; at += n > 99 ? 13 : 1) {
        const { values } = rowOf(n, 2, 4);
        values[at] = bad;
        const sample = () => createSampler(given, n).sample({ values, peaks: peaksOf(values) }, []);
        expect(sample).toThrow(ModelError);
        expect(sample).toThrow(`first at token id ${at}`);
      }
    }
  });
});

test('a wrong number of peaks', () => {
  const { values, peaks } = rowOf(80, 3, 4);
  const sampler = createSampler({}, 80);
  expect(() => sampler.sample({ values, peaks: peaks.subarray(1) }, [])).toThrow(UsageError);
});
