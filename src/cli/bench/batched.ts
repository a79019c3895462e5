/**
 * Several sequences at once, as llama-batched-bench measures them: each reads a prompt of its own, then all generate
 * together, so that the weights are read once per step for all of them.
 */
import type { Model, Sequence } from '../../engine/types.ts';
import { markdownTable, type Column } from '../table.ts';
import { binaryBytesText } from '../text.ts';
import { randomIds } from './measure.ts';
import type { BenchFormat } from './render.ts';

/** One row; the upper-case names are llama-batched-bench's columns: seconds, and tokens per second. */
export interface BatchedRow {
  threads: number;
  /** Tokens of each prompt, tokens that each sequence generates, sequences, positions in the cache at the end. */
  pp: number;
  tg: number;
  pl: number;
  n_kv: number;
  t_pp: number;
  speed_pp: number;
  t_tg: number;
  speed_tg: number;
  t: number;
  speed: number;
  /** Milliseconds between two tokens of a sequence. */
  step_ms: number;
  /** Speed of generating against that of the first row with as many sequences, per thread. */
  scaling: number;
  cpu_percent: number;
  peak_rss: number;
}

/** Positions that the cache must hold: whole pages for each sequence. */
export function batchedContext(prompt: number, generate: number, sequences: number): number {
  return sequences * Math.ceil((prompt + generate + 1) / 64) * 64;
}

/** @returns the row, with `scaling` still 1 */
export async function measureBatched(
  model: Model,
  { prompt, generate, sequences }: { prompt: number; generate: number; sequences: number },
  { seed, signal }: { seed: number; signal: AbortSignal },
): Promise<BatchedRow> {
  const all = Array.from({ length: sequences }, (_, i) => ({
    sequence: model.createSequence(),
    ids: randomIds(prompt, model.info.vocabularySize, seed * 1000 + i),
  }));
  try {
    const cpuBefore = process.cpuUsage();
    const started = performance.now();
    const firsts = await Promise.all(all.map((one) => run(model, one, 1, signal)));
    const read = performance.now();
    await Promise.all(
      all.map(({ sequence, ids }, i) =>
        run(model, { sequence, ids: [...ids, ...firsts[i]!] }, generate, signal),
      ),
    );
    const ended = performance.now();
    const cpu = process.cpuUsage(cpuBefore);
    const [t_pp, t_tg, t] = [read - started, ended - read, ended - started].map((ms) => ms / 1000);
    return {
      threads: model.info.threads,
      pp: prompt,
      tg: generate,
      pl: sequences,
      n_kv: sequences * (prompt + generate),
      t_pp: t_pp!,
      speed_pp: (sequences * prompt) / t_pp!,
      t_tg: t_tg!,
      speed_tg: (sequences * generate) / t_tg!,
      t: t!,
      speed: (sequences * (prompt + generate)) / t!,
      step_ms: (t_tg! * 1000) / generate,
      scaling: 1,
      cpu_percent: (cpu.user + cpu.system) / 1e4 / t!,
      peak_rss: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    for (const { sequence } of all) sequence.dispose();
  }
}

async function run(
  model: Model,
  { sequence, ids }: { sequence: Sequence; ids: readonly number[] },
  maxTokens: number,
  signal: AbortSignal,
): Promise<number[]> {
  const generated: number[] = [];
  const options = { sequence, maxTokens, ignoreEos: true, temperature: 0, signal };
  for await (const part of model.generate(ids, options)) generated.push(...part.ids);
  return generated;
}

/** How much of the first thread count's speed per thread the others keep, for the same number of sequences. */
export function withScaling(rows: readonly BatchedRow[]): BatchedRow[] {
  return rows.map((row) => {
    const first = rows.find(({ pl }) => pl === row.pl)!;
    return { ...row, scaling: row.speed_tg / row.threads / (first.speed_tg / first.threads) };
  });
}

const right = (title: string, cell: (row: BatchedRow) => string): Column & { cell: typeof cell } => ({
  title,
  align: 'right',
  cell,
});

const COLUMNS = [
  right('threads', (row) => String(row.threads)),
  right('PP', (row) => String(row.pp)),
  right('TG', (row) => String(row.tg)),
  right('B', (row) => String(row.pl)),
  right('N_KV', (row) => String(row.n_kv)),
  right('T_PP s', (row) => row.t_pp.toFixed(3)),
  right('S_PP t/s', (row) => row.speed_pp.toFixed(2)),
  right('T_TG s', (row) => row.t_tg.toFixed(3)),
  right('S_TG t/s', (row) => row.speed_tg.toFixed(2)),
  right('T s', (row) => row.t.toFixed(3)),
  right('S t/s', (row) => row.speed.toFixed(2)),
  right('step ms', (row) => row.step_ms.toFixed(1)),
  right('scaling', (row) => `${(row.scaling * 100).toFixed(0)} %`),
  right('cpu %', (row) => row.cpu_percent.toFixed(0)),
  right('peak memory', (row) => binaryBytesText(row.peak_rss)),
];

export function renderBatched(rows: readonly BatchedRow[], format: BenchFormat): string {
  if (format === 'json') return `${JSON.stringify(rows, undefined, 2)}\n`;
  if (format === 'csv') {
    const names = Object.keys(rows[0] ?? {}) as (keyof BatchedRow)[];
    return `${[names.join(','), ...rows.map((row) => names.map((name) => row[name]).join(','))].join('\n')}\n`;
  }
  return markdownTable(
    COLUMNS,
    rows.map((row) => COLUMNS.map((column) => column.cell(row))),
  );
}
