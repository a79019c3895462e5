/** ROTATE and ATTEND against naive attention, and the same bits however a prompt is cut into batches. */
import { describe, expect, it } from 'vitest';
import { Cache, attendTwin, makeSequence } from './attention.ts';
import type { Attention, Sequence } from './attention.ts';
import { BROKEN } from '../../src/kernels/control.ts';
import { near, sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler } from './machine.ts';

useCompiler('optimizing');

const [F32, F16, Q8_0] = [0, 1, 2];
const CASES: Record<string, Attention> = {
  'f32, one head': { heads: 1, kvHeads: 1, width: 16, valueWidth: 16, type: F32, rotary: 16 },
  'f16, grouped, NEOX': {
    heads: 6,
    kvHeads: 2,
    width: 32,
    valueWidth: 32,
    type: F16,
    rotary: 32,
    neox: true,
  },
  'q8_0, grouped, head norms': {
    heads: 4,
    kvHeads: 2,
    width: 64,
    valueWidth: 64,
    type: Q8_0,
    rotary: 64,
    neox: true,
    headNorms: true,
  },
  'f32, window 70, partly rotated': {
    heads: 8,
    kvHeads: 1,
    width: 24,
    valueWidth: 40,
    type: F32,
    rotary: 8,
    window: 70,
  },
  'f16, window 64, softcap': {
    heads: 4,
    kvHeads: 4,
    width: 20,
    valueWidth: 12,
    type: F16,
    rotary: 20,
    neox: true,
    window: 64,
    softcap: 2,
  },
  'q8_0, softcap, odd widths': {
    heads: 3,
    kvHeads: 1,
    width: 36,
    valueWidth: 44,
    type: Q8_0,
    rotary: 12,
    softcap: 5,
  },
  'f16, 20 queries a group, window 17': {
    heads: 20,
    kvHeads: 1,
    width: 16,
    valueWidth: 20,
    type: F16,
    rotary: 16,
    window: 17,
  },
  'q8_0, window 1': { heads: 2, kvHeads: 1, width: 32, valueWidth: 32, type: Q8_0, rotary: 32, window: 1 },
};

const LENGTH = 133;
/** Batches; positions 63, 64, 65, 127, 128, 129 stand at borders of theirs. */
const CUTS: Record<string, number[]> = {
  'all at once': [133],
  'full pages': [64, 64, 5],
  'around page borders': [63, 1, 1, 62, 1, 1, 4],
  sevens: Array.from({ length: 19 }, () => 7),
  'long, then one by one': [120, ...Array.from({ length: 13 }, () => 1)],
};

describe.each(VARIANTS)('%s: ATTEND', (variant) => {
  const machine = new Machine(variant, 512);

  function play(a: Attention, sequence: Sequence, cut: number[], threads = 1): Float32Array[] {
    machine.reset();
    const cache = new Cache(machine, a, 4);
    const out: Float32Array[] = [];
    let position = 0;
    for (const count of cut) {
      const tokens = Array.from({ length: count }, () => ({
        sequence,
        position: position++,
        table: cache.table(0),
      }));
      out.push(...cache.step(tokens, threads));
    }
    return out;
  }

  it.each(Object.entries(CASES))('%s', (name, a) => {
    const sequence = makeSequence(a, LENGTH, 7);
    const expected = attendTwin(a, sequence);
    const alone = play(
      a,
      sequence,
      Array.from({ length: LENGTH }, () => 1),
    );
    // A key rounded the other way, where head norms differ in the last bit, moves a score by 1/127 of it.
    const tolerance = a.headNorms && a.type !== F32 ? 2e-3 : 1e-5;
    for (const [p, y] of alone.entries()) near(y, expected[p]!, () => tolerance, `${name}, position ${p}`);
    for (const [cut, counts] of Object.entries(CUTS)) {
      const together = play(a, sequence, counts, counts.length % 3 || 4);
      for (const [p, y] of together.entries()) sameBits(y, alone[p]!, `${name}, ${cut}, position ${p}`);
    }
  });

  it('BIDIRECTIONAL: tokens see all of their sequence, in any company', () => {
    for (const type of [F32, F16]) {
      const a: Attention = {
        heads: 6,
        kvHeads: 2,
        width: 16,
        valueWidth: 16,
        type,
        rotary: 16,
        bidirectional: true,
      };
      const sequences = [1, 70, 9, 128].map((length, i) => makeSequence(a, length, 40 + i));
      machine.reset();
      const cache = new Cache(machine, a, 8);
      const tokens = sequences.flatMap((sequence, i) =>
        Array.from({ length: sequence.length }, (_, position) => ({
          sequence,
          position,
          table: cache.table(2 * i),
        })),
      );
      const together = cache.step(tokens, 3);
      for (const [i, sequence] of sequences.entries()) {
        const expected = attendTwin(a, sequence);
        const alone = play(a, sequence, [sequence.length]);
        for (const [p, y] of together.splice(0, sequence.length).entries()) {
          near(y, expected[p]!, () => 1e-5, `sequence ${i}, position ${p}`);
          sameBits(alone[p]!, y, `sequence ${i}, position ${p}`);
        }
      }
    }
  });

  it('several sequences in a batch do not see each other', () => {
    const a = CASES['f16, grouped, NEOX']!;
    const sequences = [70, 3, 66].map((length, i) => makeSequence(a, length, 20 + i));
    const alone = sequences.map((sequence) => play(a, sequence, [sequence.length]));
    machine.reset();
    const cache = new Cache(machine, a, 6);
    const all = sequences.map((sequence, i) => ({
      sequence,
      table: cache.table(2 * i),
      done: 0,
      out: [] as Float32Array[],
    }));
    // Uneven shares of each batch, some of them one token.
    for (const shares of [
      [3, 1, 65],
      [60, 1, 1],
      [7, 1, 0],
    ]) {
      const tokens = all.flatMap(({ sequence, table, done }, i) =>
        Array.from({ length: shares[i]! }, (_, j) => ({ sequence, table, position: done + j })),
      );
      const out = cache.step(tokens);
      for (const [i, one] of all.entries()) {
        one.out.push(...out.splice(0, shares[i]!));
        one.done += shares[i]!;
      }
    }
    for (const [i, { out }] of all.entries()) {
      expect(out).toHaveLength(sequences[i]!.length);
      for (const [p, y] of out.entries()) sameBits(y, alone[i]![p]!, `sequence ${i}, position ${p}`);
    }
  });

  it('pages before the window are not looked at', () => {
    for (const type of [F32, F16, Q8_0]) {
      const a: Attention = { ...CASES['f32, window 70, partly rotated']!, type };
      const sequence = makeSequence(a, 200, 3);
      const expected = play(a, sequence, [200]);
      machine.reset();
      const cache = new Cache(machine, a, 4);
      const token = (position: number) => ({ sequence, position, table: cache.table(0) });
      cache.step(Array.from({ length: 190 }, (_, p) => token(p)));
      // Position 190 sees 121 and later: page 0 may hold anything.
      machine.u8(cache.pageAt(0), cache.pageBytes).fill(0xff);
      for (let p = 190; p < 200; p++)
        sameBits(cache.step([token(p)])[0]!, expected[p]!, `type ${type}, position ${p}`);
    }
  });

  it('scores of any size: large ones pick a single value, equal ones give the mean', () => {
    for (const type of [F32, F16, Q8_0]) {
      const a: Attention = { heads: 2, kvHeads: 1, width: 32, valueWidth: 32, type, rotary: 32 };
      for (const size of [0, 30, 1000]) {
        const sequence = makeSequence(a, 130, 5);
        for (const q of sequence.q) for (const i of q.keys()) q[i]! *= size;
        const expected = attendTwin(a, sequence);
        const relative = size === 1000 ? 3e-3 : 1e-4;
        for (const [p, y] of play(a, sequence, [130]).entries())
          near(y, expected[p]!, () => relative, `type ${type}, size ${size}, position ${p}`);
      }
    }
  });

  const poisoned = (type: number, place: 'k' | 'v', value: number, cut = new Array<number>(70).fill(1)) => {
    const a: Attention = { heads: 2, kvHeads: 1, width: 32, valueWidth: 32, type, rotary: 32 };
    const sequence = makeSequence(a, 70, 5);
    sequence[place][66]![3] = value;
    return play(a, sequence, cut);
  };
  it.each([
    ['f32', F32],
    ['q8_0', Q8_0],
  ])('NaN in keys or values of a %s cache reaches all later positions', (_, type) => {
    for (const place of ['k', 'v'] as const) {
      const out = poisoned(type, place, NaN);
      for (const y of out.slice(0, 66)) expect(y.every(Number.isFinite)).toBe(true);
      for (const y of out.slice(66)) expect(y.some(Number.isNaN), place).toBe(true);
    }
  });

  // An f16 cache cannot show NaN, so the step says that it met one.
  it('NaN in keys or values of an f16 cache is noted', () => {
    const broken = () => new Int32Array(machine.memory.buffer)[BROKEN / 4];
    for (const place of ['k', 'v'] as const) {
      for (const value of [1, NaN]) {
        poisoned(F16, place, value, [70]);
        expect(broken(), place).toBe(Number.isNaN(value) ? 1 : 0);
      }
    }
  });

  it('values beyond f16 saturate, tiny ones vanish, zeros stay', () => {
    for (const type of [F32, F16, Q8_0]) {
      for (const value of [1e6, -1e6, 1e-30, 1e-38, 1e-42, 0]) {
        const a: Attention = { heads: 1, kvHeads: 1, width: 32, valueWidth: 32, type, rotary: 32 };
        const sequence = makeSequence(a, 3, 5);
        for (const v of sequence.v) v.fill(value);
        const held = type === F16 ? Math.sign(value) * Math.min(65504, Math.abs(value)) : value;
        const limit = Math.max(Math.abs(held) * 0.005, type === F16 ? 6e-8 : 2e-37);
        for (const y of play(a, sequence, [3]))
          near(y, new Float32Array(32).fill(held), () => limit, `type ${type}, ${value}`);
      }
    }
  });
});
