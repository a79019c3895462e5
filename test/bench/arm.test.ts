import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { imbalance, shareOut } from '../../tools/arm/balance.ts';
import { parseCounts } from '../../tools/arm/count.ts';
import { NOTHING } from '../../tools/arm/guest.ts';
import { FORMATS } from '../../src/kernels/formats.ts';
import {
  CPUS,
  PRODUCT,
  STEPS,
  balanceOf,
  checkBudget,
  goalOf,
  kernelsOf,
  parseOptions,
} from './arm-modules.ts';
import type { Budget } from './arm-modules.ts';

const line = (tag: string, total: number, sdot = 0) =>
  `@@icount ${tag} total=99(+${total}) sdot=9(+${sdot}) sdot_lane=0(+0) smull=0(+0) fmla=0(+0)\n`;

describe('counts', () => {
  it('are the least of each tag, without what a mark costs', () => {
    const text = [
      line('-', 5000),
      line(NOTHING, 30),
      line('a', 1030, 64),
      'noise\n@@icount -\n',
      line(NOTHING, 50),
      line('a', 1930, 99),
      line('exit', 7),
    ].join('');
    expect([...parseCounts(text)]).toEqual([
      ['a', { total: 1000, sdot: 64, sdot_lane: 0, smull: 0, fmla: 0 }],
    ]);
  });

  it('become instructions for 32 weights, less those of a step without work', () => {
    const units = (STEPS * PRODUCT.rows * PRODUCT.columns) / 32;
    const kernels = kernelsOf(
      new Map([
        ['gemv:Q4_0', { total: 9 * units + 70, sdot: 0, sdot_lane: 2 * units, smull: 0, fmla: 0.3 * units }],
        ['idle:gemv:Q4_0', { total: 70, sdot: 0, sdot_lane: 0, smull: 0, fmla: 0 }],
        ['gemm:Q8_0', { total: 16 * 9 * units, sdot: 0, sdot_lane: 0, smull: 16 * 8 * units, fmla: 0 }],
        ['idle:gemm:Q8_0', { total: 0, sdot: 0, sdot_lane: 0, smull: 0, fmla: 0 }],
      ]),
    );
    expect(kernels).toEqual([
      { name: 'gemv Q4_0', instructions: 9, by: '2.0 sdot' },
      { name: 'gemm Q8_0', instructions: 9, by: '8.0 smull' },
    ]);
  });
});

describe('balance', () => {
  it('gives each chunk to who is free first', () => {
    expect(shareOut([1, 1, 1, 1], 2)).toEqual([2, 2]);
    expect(shareOut([1, 1, 1], 2)).toEqual([2, 1]);
    expect(shareOut([3, 1, 1, 1], 2)).toEqual([3, 3]);
    expect(imbalance([2, 1])).toBeCloseTo(4 / 3);
    expect(imbalance(shareOut([5], 4))).toBe(4);
  });

  it('comes from counts of what is left after k chunks', () => {
    const counts = new Map([
      ['0:2:0', { total: 700 }],
      ['0:2:1', { total: 500 }],
      ['0:2:2', { total: 200 }],
    ]);
    const found = balanceOf(counts).find(({ chunks }) => chunks > 0)!;
    // Chunks of 200, 300 and 200: 400 and 300.
    expect(found).toMatchObject({ workers: 2, chunks: 3, instructions: 700 / STEPS });
    expect(found.balance).toBeCloseTo(400 / 350);
  });
});

describe('the budget', () => {
  const budget: Budget = { node: '24', counts: { 'cortex-a76': { 'gemv Q4_0': 10, token: 80 } } };
  const report = (instructions: number, token = 80) => ({
    'cortex-a76': { kernels: [{ name: 'gemv Q4_0', instructions, by: '' }], balance: [], token },
  });

  it('allows 3 %', () => {
    expect(checkBudget(budget, report(10.29)).over).toEqual([]);
    expect(checkBudget(budget, report(10.4)).over).toEqual([
      ['cortex-a76', 'gemv Q4_0', '10', '10.4', '4.0 % more'],
    ]);
    expect(checkBudget(budget, report(10, 90)).over).toHaveLength(1);
    expect(checkBudget(budget, report(NaN)).over).toHaveLength(1);
    expect(checkBudget(budget, report(9)).under).toBe(1);
    expect(checkBudget({ ...budget, counts: {} }, report(1)).unknown).toHaveLength(2);
  });

  it('holds every kernel on every processor', () => {
    const { counts } = JSON.parse(
      readFileSync(new URL('../../tools/arm/budget.json', import.meta.url), 'utf8'),
    ) as Budget;
    const names = FORMATS.filter(({ interleave }) => !interleave).flatMap(({ name }) => [
      `gemv ${name}`,
      `gemm ${name}`,
    ]);
    for (const cpu of Object.keys(CPUS)) {
      expect(Object.keys(counts[cpu]!).sort()).toEqual([...names, 'token'].sort());
      for (const count of Object.values(counts[cpu]!)) expect(count).toBeGreaterThan(0);
    }
  });

  it('has goals from llama.cpp', () => {
    expect(goalOf('cortex-a76', 'gemv Q4_0', 8.3)).toBe(9.5);
    expect(goalOf('cortex-a72', 'gemv Q4_0', 20)).toBeCloseTo(23);
    expect(goalOf('cortex-a76', 'gemm Q4_K', undefined)).toBeUndefined();
  });
});

describe('options', () => {
  it('are checked', () => {
    const parse = (text: string) => parseOptions(text.split(' ').filter(Boolean), ['Q4_0']);
    expect(parse('')).toMatchObject({ cpus: Object.keys(CPUS), nodeMajor: '24', update: false });
    expect(parse('--format q4_0 --only tokens')).toMatchObject({ formats: ['Q4_0'], parts: ['tokens'] });
    for (const wrong of ['--cpu m1', '--format Q9', '--node 20', '--node 26 --update', '--only x', 'file']) {
      expect(() => parse(wrong)).toThrow();
    }
  });
});
