/** The benchmark's rows as Markdown (llama-bench's table and our columns), JSON or CSV. */
import { markdownTable, type Column } from '../table.ts';
import { binaryBytesText, numberText, parametersText } from '../text.ts';
import type { BenchRow } from './row.ts';

export type BenchFormat = 'md' | 'json' | 'csv';

interface BenchColumn extends Column {
  cell: (row: BenchRow) => string;
}

const right = 'right' as const;
const orDash = (value: number | null, digits?: number): string => numberText(value ?? undefined, digits);

const COLUMNS: readonly BenchColumn[] = [
  { title: 'model', cell: (row) => row.model_type },
  { title: 'size', align: right, cell: (row) => binaryBytesText(row.model_size) },
  { title: 'params', align: right, cell: (row) => parametersText(row.model_n_params) },
  { title: 'backend', cell: (row) => row.backends },
  { title: 'threads', align: right, cell: (row) => String(row.n_threads) },
  { title: 'test', align: right, cell: (row) => (row.n_gen > 0 ? `tg${row.n_gen}` : `pp${row.n_prompt}`) },
  { title: 't/s', align: right, cell: (row) => `${row.avg_ts.toFixed(2)} ± ${row.stddev_ts.toFixed(2)}` },
  { title: 'ttft ms', align: right, cell: (row) => numberText(row.ttft_ms) },
  { title: 'itl p50 ms', align: right, cell: (row) => orDash(row.itl_p50_ms, 2) },
  { title: 'itl p95 ms', align: right, cell: (row) => orDash(row.itl_p95_ms, 2) },
  { title: 'load ms', align: right, cell: (row) => numberText(row.load_ms, 0) },
  { title: 'peak memory', align: right, cell: (row) => binaryBytesText(row.peak_rss) },
  { title: 'cpu %', align: right, cell: (row) => numberText(row.cpu_percent, 0) },
  { title: 'GB/s', align: right, cell: (row) => orDash(row.gb_per_s, 2) },
];

export function renderBench(rows: readonly BenchRow[], format: BenchFormat): string {
  if (format === 'json') return `${JSON.stringify(rows, undefined, 2)}\n`;
  if (format === 'csv') return csv(rows);
  return markdownTable(
    COLUMNS,
    rows.map((row) => COLUMNS.map((column) => column.cell(row))),
  );
}

/** All single values under their JSON names; the lists of samples are JSON's alone, as in llama-bench. */
function csv(rows: readonly BenchRow[]): string {
  const names = (Object.keys(rows[0] ?? {}) as (keyof BenchRow)[]).filter((name) => !/^samples_/.test(name));
  const quoted = (value: unknown): string => `"${String(value ?? '').replace(/"/g, '""')}"`;
  const lines = rows.map((row) => names.map((name) => quoted(row[name])).join(','));
  return `${[names.join(','), ...lines].join('\n')}\n`;
}
