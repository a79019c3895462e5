/** The quality report on a tiny model: every figure there, and in the document and the chart. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderSvg } from '../../tools/charts/svg.ts';
import { quantReport, type Report, type ReportOptions } from '../../tools/report/quant.ts';
import { reportChart, reportMarkdown } from '../../tools/report/render.ts';
import { TINY_CHAT } from '../engine/fixtures.ts';

let folder: string;
let options: ReportOptions;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble report '));
  const text = join(folder, 'text.txt');
  await writeFile(
    text,
    'A nibble is four bits. Two nibbles are a byte, and a byte has eight bits. '.repeat(12),
  );
  options = {
    model: TINY_CHAT,
    types: ['Q4_0'],
    text,
    folder,
    allowRequantize: true,
    threads: 2,
    window: 64,
    prompt: 16,
    generate: 4,
    repetitions: 1,
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('has a row for the original and each type, and leaves no files', async () => {
  const steps: string[] = [];
  const report = await quantReport({ ...options, onStep: (line) => steps.push(line) });
  expect(steps).toEqual(['[1/2] the original', '[2/2] Q4_0']);
  expect(await readdir(folder)).toEqual(['text.txt']);
  const [original, quantized] = report.rows;
  expect(report.rows.map(({ type }) => type)).toEqual(['Q8_0', 'Q4_0']);
  expect(quantized!.bitsPerWeight).toBeLessThan(original!.bitsPerWeight);
  expect(quantized!.bytes).toBeLessThan(original!.bytes);
  expect([original!.kl, original!.sameTop]).toEqual([0, 100]);
  expect(quantized!.kl).toBeGreaterThan(1e-6);
  expect(quantized!.kl).toBeLessThan(1);
  expect(quantized!.sameTop).toBeGreaterThan(50);
  for (const row of report.rows) {
    const { loadMs, prefillTokensPerSecond, decodeTokensPerSecond, peakMemory, nll } = row;
    for (const value of [loadMs, prefillTokensPerSecond, decodeTokensPerSecond, peakMemory, nll]) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(Infinity);
    }
  }
  expect(report.tokens).toBeGreaterThan(30);

  const lines = reportMarkdown(report, 'chart.svg').split('\n');
  const table = lines.filter((line) => line.startsWith('|'));
  expect(table).toHaveLength(2 + report.rows.length);
  expect(new Set(table.map((line) => line.length)).size).toBe(1);
  expect(table[3]).toMatch(/^\| Q4_0 .* \d+\.\d %/);
  expect(lines.at(-2)).toContain('(chart.svg)');
  const svg = await renderSvg(reportChart(report));
  expect(svg).toMatch(/^<svg[^]*<\/svg>$/);
  for (const { type } of report.rows) expect(svg).toContain(`>${type}<`);
});

test('a chart shows the original by speed alone: it loses nothing', () => {
  const row: Report['rows'][number] = {
    type: 'F16',
    bytes: 2e6,
    bitsPerWeight: 16,
    loadMs: 1,
    prefillTokensPerSecond: 2,
    decodeTokensPerSecond: 3,
    peakMemory: 4,
    nll: 2,
    nllError: 0,
    kl: 0,
    klError: 0,
    sameTop: 100,
  };
  const report = {
    model: 'm.gguf',
    threads: 1,
    cpu: 'c',
    tokens: 9,
    window: 8,
    rows: [row, { ...row, type: 'Q4_0' }],
  };
  const text = JSON.stringify(reportChart(report));
  expect(text.match(/"F16"/g)).toHaveLength(1);
  expect(text.match(/"Q4_0"/g)).toHaveLength(2);
});

test('says which measurement failed, and leaves no files', async () => {
  const empty = join(folder, 'empty.txt');
  await writeFile(empty, '');
  const run = quantReport({ ...options, text: empty });
  await expect(run).rejects.toMatchObject({ code: 'ERR_REPORT' });
  await expect(run).rejects.toThrow(/perplexity failed: .*the text is too short/);
  await rm(empty);
  expect(await readdir(folder)).toEqual(['text.txt']);
});

test('what cannot work is said before anything is measured', async () => {
  const refusal = (wrong: Partial<ReportOptions>) => {
    const onStep = () => expect.unreachable('a measurement has begun');
    return expect(quantReport({ ...options, onStep, ...wrong })).rejects;
  };
  await refusal({ text: join(folder, 'none.txt') }).toThrow(/cannot read .*none\.txt: there is no such file/);
  await refusal({ types: ['Q4_0', 'Q9'] }).toMatchObject({ code: 'ERR_USAGE' });
  await refusal({ allowRequantize: false }).toThrow('--allow-requantize');
  await refusal({ folder: join(folder, 'none') }).toThrow(/cannot write .*none: there is no such folder/);
  expect(await readdir(folder)).toEqual(['text.txt']);
});
