/** What `bench --arm` does with counts; the counting itself needs an emulator and is part of CI's ARM stage. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CORES, armMeans, countedOn } from '../../lab/tool/arm/cores.ts';
import { perWorkerOf } from '../../lab/tool/arm/division.ts';
import { kernelRow } from '../../lab/tool/arm/kernel-cost.ts';
import type { ArmResults } from '../../lab/tool/arm/results.ts';
import { armKernelTable, divisionTable } from '../../lab/tool/arm/tables.ts';
import type { BenchResults } from '../../lab/tool/bench/results.ts';
import { mergedChart, mergedModelTable, mergedTable, readDevices } from '../../lab/tool/report/merge.ts';
import { stageOf } from '../../lab/tool/stages.ts';

const folder = mkdtempSync(join(tmpdir(), 'nibble-lab-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('an ARM machine measures, others emulate', () => {
  expect(armMeans('arm64')).toBe('measure');
  expect(armMeans('x64')).toBe('emulate');
  expect(armMeans()).toBe(process.arch === 'arm64' ? 'measure' : 'emulate');
});

test('cores that are not emulated are counted as those that execute the same', () => {
  const counted = (emulated?: string[]) => CORES.map((core) => countedOn(core, emulated));
  expect(counted()).toEqual(['cortex-a76', 'cortex-a72', 'neoverse-n1', 'neoverse-n1']);
  expect(counted(['cortex-a76', 'cortex-a72']).slice(2)).toEqual(['cortex-a76', 'cortex-a76']);
  expect(() => counted(['cortex-a72'])).toThrow(RangeError);
});

const totals = (counts: Record<string, number>) =>
  new Map(Object.entries(counts).map(([tag, total]) => [tag, { total }]));

test('work is counted by worker, or chunk by chunk as the counter gives them out', () => {
  expect(perWorkerOf(totals({ '2:0': 700, '2:1': 500 }), 2)).toEqual({ chunks: 0, perWorker: [700, 500] });
  // Chunks of 100, 300 and 200; a call that finds none costs 10.
  const dynamic = totals({ '2:from:0': 610, '2:from:1': 510, '2:from:2': 210, '2:from:3': 10 });
  expect(perWorkerOf(dynamic, 2)).toEqual({ chunks: 3, perWorker: [310, 310] });
});

test('a division that is uneven is marked', () => {
  const row = { stage: '02-multithreading', cpu: 'cortex-a76', workers: 2, chunks: 0 };
  const { rows } = divisionTable([
    { ...row, perWorker: [109, 100], balance: 109 / 104.5, criticalPath: 109 },
    { ...row, perWorker: [150, 100], balance: 1.2, criticalPath: 150 },
  ]);
  expect(rows.map((cells) => cells[4])).toEqual(['1.04', '1.20 (more than 1.1)']);
});

const subject = { stage: stageOf('06'), source: 'solution' as const, wasm: '' };
const cost = {
  instructions: 186_777,
  instructionsPer32Weights: 22.8,
  multiplications: { sdot: 16_384, madd: 40 },
  predicted: { 'neoverse-n1': { cycles: 46_700, gmacs: 13.5 }, 'neoverse-v1': { cycles: 23_400, gmacs: 27 } },
};
const kernels = CORES.map((core) => kernelRow(subject, core, cost));

test('counts become rows: the multiplying instruction, predicted cycles where a model knows the core', () => {
  const [a76, a72, , v1] = armKernelTable({ kernels, ghz: 2.4 }).rows;
  expect(a76!.slice(2)).toEqual(['22.8', 'yes', 'sdot', '5.7', '27.0']);
  expect(a72!.slice(-2)).toEqual(['?', '?']);
  expect(v1!.slice(1)).toEqual(['neoverse-v1 (Graviton3)', '22.8', 'yes', 'sdot', '2.9', '54.0']);
});

test('emulated and measured results stand side by side', async () => {
  const arm: ArmResults = {
    version: 1,
    emulated: true,
    at: '2026-01-01T00:00:00Z',
    node: '24',
    ghz: 2.4,
    shape: { rows: 256, columns: 1024 },
    kernels,
    divisions: [],
    tokens: [
      {
        stage: 'nibble',
        cpu: 'neoverse-n1',
        machine: 'Graviton2',
        model: 'tiny-chat',
        prefill: 1,
        decode: 2,
      },
    ],
  };
  const limit = { gbs: 20, gmacs: 50 };
  const measured: BenchResults = {
    version: 1,
    at: '2026-01-01T00:00:00Z',
    machine: { cpu: 'Zen', arch: 'x64', cores: 2, node: '24.0.0', platform: 'linux', memoryBytes: 2 ** 33 },
    limits: { one: limit, all: limit },
    kernels: ['00-reference', '06-dot-product'].map((stage, i) => ({
      ...{ stage, kernel: 'solution', shape: 'large', rows: 32000, columns: 4096, tokens: 1, workers: 1 },
      ...{ milliseconds: 1, gops: 10 * (i + 1), gbs: 1 },
    })),
    endToEnd: [],
  };
  writeFileSync(join(folder, 'emulated.json'), JSON.stringify(arm));
  writeFileSync(join(folder, 'here.json'), JSON.stringify(measured));
  writeFileSync(join(folder, 'results.json'), JSON.stringify({ checks: {}, bench: measured, arm }));
  const read = (name: string) => readDevices(join(folder, name));
  const devices = [...(await read('emulated.json')), ...(await read('here.json'))];
  const { columns, rows } = mergedTable(devices);
  expect(columns).toContain('emulated (Graviton3, neoverse-v1, PREDICTED)');
  expect(columns.at(-1)).toBe('here (Zen)');
  expect(rows).toEqual([
    ['00-reference', 'large', '', '', '', '', '10.0 GOP/s'],
    [
      ...['06-dot-product', 'large', '27.0 GOP/s, 22.8 instructions per 32', ''],
      ...['27.0 GOP/s, 22.8 instructions per 32', '54.0 GOP/s, 22.8 instructions per 32', '20.0 GOP/s'],
    ],
  ]);
  expect(mergedModelTable(devices).rows).toEqual([
    ['nibble', 'tiny-chat', '', '', '2.00 million instructions per token', '', ''],
  ]);
  expect(mergedChart(devices).bars).toHaveLength(5);
  // Without a measured one, a stage is one row; a learner's own results hold both.
  expect(mergedTable(devices.slice(0, 4)).rows.map(([stage, shape]) => [stage, shape])).toEqual([
    ['06-dot-product', ''],
  ]);
  expect(await read('results.json')).toHaveLength(5);
  writeFileSync(join(folder, 'wrong.json'), JSON.stringify({ ...arm, kernels: [{ stage: '06' }] }));
  await expect(read('wrong.json')).rejects.toThrow(/no results of a bench/);
});
