/** The tables of a bench, for a terminal and for reports. */
import { amdahl, gain } from '../bench/charts.ts';
import type { EndToEndRow, KernelRow, Limits } from '../bench/results.ts';

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

export function kernelTable(rows: readonly KernelRow[], limits: Limits): Table {
  return {
    columns: ['stage', 'kernel', 'shape', 'workers', 'ms', 'GOP/s', 'gain', 'GB/s', 'of bandwidth'],
    rows: rows.map((row) => {
      const times = gain(rows, row);
      const limit = row.workers > 1 ? limits.all : limits.one;
      return [
        row.stage,
        row.kernel === 'lab' ? 'yours' : 'course',
        `${row.tokens} x ${row.columns} x ${row.rows} (${row.shape})`,
        String(row.workers),
        row.milliseconds.toFixed(3),
        row.opponentGops ? `${row.gops.toFixed(1)} (${score(row)})` : row.gops.toFixed(1),
        times === undefined ? '' : `${times.toFixed(2)} x`,
        row.gbs.toFixed(1),
        `${((100 * row.gbs) / limit.gbs).toFixed(0)} %`,
      ];
    }),
  };
}

/** Stage 09: percent above the engine's speed. */
export function score({ gops, opponentGops }: KernelRow): string {
  const percent = 100 * (gops / opponentGops! - 1);
  return `nibble ${percent < 0 ? '-' : '+'}${Math.abs(percent).toFixed(0)} %`;
}

export function endToEndTable(rows: readonly EndToEndRow[]): Table {
  return {
    columns: [
      'kernel',
      'model',
      'threads',
      'prefill tok/s',
      'decode tok/s',
      'first token ms',
      'ms/token',
      'linear',
      'at most',
    ],
    rows: rows.map((row) => [
      row.stage,
      row.model,
      String(row.threads),
      row.prefillTokensPerSecond.toFixed(1),
      row.decodeTokensPerSecond.toFixed(1),
      row.timeToFirstTokenMs.toFixed(0),
      row.msPerToken.toFixed(2),
      `${(100 * row.linearShare).toFixed(0)} %`,
      // Amdahl: if these layers took no time.
      `${amdahl(row.linearShare).toFixed(1)} x`,
    ]),
  };
}
