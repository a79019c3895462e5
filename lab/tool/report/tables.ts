/** The tables of a bench, for a terminal and for reports. */
import { amdahl, gain } from '../bench/charts.ts';
import { scoreAgainst, scoreText } from '../bench/score.ts';
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
        speed(row),
        times === undefined ? '' : `${times.toFixed(2)} x`,
        row.gbs.toFixed(1),
        `${((100 * row.gbs) / limit.gbs).toFixed(0)} %`,
      ];
    }),
  };
}

/** Stage 09: with its score against the engine's own kernel. A kernel whose results are wrong has no speed. */
function speed({ gops, opponentGops, wrong }: KernelRow): string {
  if (wrong) return 'WRONG';
  return opponentGops
    ? `${gops.toFixed(1)} (nibble ${scoreText(scoreAgainst(gops, opponentGops))})`
    : gops.toFixed(1);
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
