/** The report on methods, on a tiny model: which rows there are, and that each is measured. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { methodsReport, type MethodsReportOptions } from '../../tools/report/methods.ts';
import { methodsMarkdown } from '../../tools/report/render.ts';
import { TINY_CHAT } from '../engine/fixtures.ts';

let folder: string;
let options: MethodsReportOptions;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble methods report '));
  const [calibration, held] = [join(folder, 'calibration.txt'), join(folder, 'held-out.txt')];
  await writeFile(calibration, 'Once there was a fox who looked for a lantern in the cave. '.repeat(20));
  await writeFile(
    held,
    'A nibble is four bits. Two nibbles are a byte, and a byte has eight bits. '.repeat(8),
  );
  options = {
    model: TINY_CHAT,
    types: ['Q4_0', 'Q3_K_S'],
    methods: ['rtn', 'gptq'],
    calibrations: [calibration, 'random'],
    texts: [held],
    folder,
    allowRequantize: true,
    threads: 2,
    chunkSize: 64,
    chunks: 2,
    window: 64,
    windows: 2,
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a row per type and method, and per further calibration text of the first type', async () => {
  const steps: string[] = [];
  const report = await methodsReport({ ...options, onStep: (line) => steps.push(line) });
  const random = ['Q4_0', 'gptq', 'random'];
  const text = options.calibrations[0];
  expect(report.rows.map(({ type, method, calibration }) => [type, method, calibration])).toEqual([
    ['', 'original', undefined],
    ['Q4_0', 'rtn', undefined],
    ['Q4_0', 'gptq', text],
    ['Q3_K_S', 'rtn', undefined],
    ['Q3_K_S', 'gptq', text],
    random,
  ]);
  expect(steps[0]).toBe('[1/6] the original');
  expect(report.calibrationTokens).toBe(128);
  expect(report.texts).toEqual([{ name: 'held-out.txt', tokens: 62 }]);
  for (const { method, scores } of report.rows) {
    const [score] = scores;
    expect(score!.nll).toBeGreaterThan(0.5);
    expect(score!.nll).toBeLessThan(20);
    if (method === 'original') continue;
    expect(score!.kl).toBeGreaterThan(1e-4);
    expect(score!.kl).toBeLessThan(2);
  }
  expect((await readdir(folder)).sort()).toEqual(['calibration.txt', 'held-out.txt']);
  const table = methodsMarkdown(report)
    .split('\n')
    .filter((line) => line.startsWith('|'));
  expect(table).toHaveLength(2 + report.rows.length);
  expect(new Set(table.map((line) => line.length)).size).toBe(1);
  expect(table.at(-1)).toMatch(/^\| Q4_0 +\| gptq +\| random +\| +\d\.\d\d \| +\d+\.\d{4} \| \d\.\d{4} ± /);
});

test('a text that is not there', async () => {
  const none = join(folder, 'none.txt');
  await expect(methodsReport({ ...options, texts: [none] })).rejects.toMatchObject({ code: 'ERR_INPUT' });
  await expect(methodsReport({ ...options, calibrations: [none] })).rejects.toMatchObject({
    code: 'ERR_INPUT',
  });
});
