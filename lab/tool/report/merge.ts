/** Results of several machines side by side. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { BarChart } from '../../../tools/charts/terminal.ts';
import type { BenchResults } from '../bench/results.ts';
import { LabError } from '../errors.ts';
import type { Table } from './tables.ts';

export interface Device {
  name: string;
  results: BenchResults;
}

/** The results in a file: of `lab bench --out`, or a learner's whole results.json. */
export async function readDevice(file: string): Promise<Device> {
  const fail = (why: string, cause?: unknown) =>
    new LabError('ERR_LAB_FILE', `${file} ${why}: give a file that "nibble lab bench --out FILE" wrote`, {
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw fail('cannot be read', error);
  }
  const results = isResults(json) ? json : (json as { bench?: unknown } | null)?.bench;
  if (!isResults(results)) throw fail('holds no results of a bench');
  return { name: basename(file, '.json'), results };
}

function isResults(value: unknown): value is BenchResults {
  const some = value as Partial<BenchResults> | null;
  return (
    typeof some === 'object' &&
    some?.version === 1 &&
    typeof some.machine?.cpu === 'string' &&
    Array.isArray(some.kernels) &&
    some.kernels.every((row) => typeof row.stage === 'string' && Number.isFinite(row.gops)) &&
    Array.isArray(some.endToEnd)
  );
}

/** GOP/s of each stage and shape, a column for each device. */
export function mergedTable(devices: readonly Device[]): Table {
  const keys = new Map<string, [stage: string, shape: string]>();
  for (const { results } of devices) {
    for (const row of results.kernels) keys.set(`${row.stage} ${row.shape}`, [row.stage, row.shape]);
  }
  return {
    columns: ['stage', 'shape', ...devices.map(({ name, results }) => `${name} (${results.machine.cpu})`)],
    rows: [...keys.values()].map(([stage, shape]) => [
      stage,
      shape,
      ...devices.map(({ results }) => {
        const row = results.kernels.find((one) => one.stage === stage && one.shape === shape);
        return row ? `${row.gops.toFixed(1)} GOP/s` : '';
      }),
    ]),
  };
}

/** The same as bars, grouped by device. */
export function mergedChart(devices: readonly Device[], shape: string): BarChart {
  const bars = devices.flatMap(({ name, results }) =>
    results.kernels
      .filter((row) => row.shape === shape)
      .map((row) => ({ label: `${row.stage} ${name}`, value: row.gops, group: name })),
  );
  bars.sort((a, b) => a.label.localeCompare(b.label));
  return { title: `Speed of the stages, ${shape}`, unit: 'GOP/s', bars };
}
