/** The tables of counts on ARM. */
import type { Table } from '../report/tables.ts';
import { MOST_IMBALANCE } from './division.ts';
import type { ArmKernelRow, ArmResults, ArmTokenRow, DivisionRow } from './results.ts';

export function armKernelTable({ kernels, ghz }: Pick<ArmResults, 'kernels' | 'ghz'>): Table {
  return {
    columns: [
      'stage',
      'core',
      'instructions per 32 weights',
      'SDOT',
      'multiplied by',
      'PREDICTED cycles',
      `PREDICTED GOP/s at ${ghz} GHz`,
    ],
    rows: kernels.map((row: ArmKernelRow) => [
      row.stage,
      `${row.cpu} (${row.machine})`,
      row.per32Weights.toFixed(1),
      row.multiplies.includes('sdot') ? 'yes' : 'no',
      row.multiplies.join(', '),
      row.predicted ? row.predicted.cyclesPer32Weights.toFixed(1) : '?',
      row.predicted ? row.predicted.gops.toFixed(1) : '?',
    ]),
  };
}

export function divisionTable(rows: readonly DivisionRow[]): Table {
  return {
    columns: ['stage', 'workers', 'divided by', 'instructions of each', 'max / mean', 'critical path'],
    rows: rows.map((row) => [
      row.stage,
      String(row.workers),
      row.chunks > 0 ? `${row.chunks} chunks` : 'shares',
      row.perWorker.join(', '),
      `${row.balance.toFixed(2)}${row.balance > MOST_IMBALANCE ? ` (more than ${MOST_IMBALANCE})` : ''}`,
      String(row.criticalPath),
    ]),
  };
}

export function armTokenTable(rows: readonly ArmTokenRow[]): Table {
  return {
    columns: ['kernel', 'core', 'model', 'million instructions per prompt token', 'per generated token'],
    rows: rows.map((row) => [
      row.stage,
      `${row.cpu} (${row.machine})`,
      row.model,
      row.prefill.toFixed(2),
      row.decode.toFixed(2),
    ]),
  };
}
