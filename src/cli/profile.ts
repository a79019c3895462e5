/** The table of --profile: where the time went, by operation. */
import type { Model } from '../engine/types.ts';
import type { CliContext } from './context.ts';
import { plainTable } from './table.ts';

/** Times are summed over workers, so rates are those of all of them: work / (time / threads). */
export function printProfile(context: CliContext, model: Model): void {
  const rows = [...model.profile()].sort((a, b) => b.milliseconds - a.milliseconds);
  const total = rows.reduce((sum, row) => sum + row.milliseconds, 0);
  if (total === 0) return context.notice('nothing was computed: no profile');
  const { threads } = model.info;
  const rate = (work: number, milliseconds: number): string =>
    work > 0 && milliseconds > 0 ? ((work * threads) / (milliseconds * 1e6)).toFixed(2) : '-';
  const table = plainTable(
    [
      { title: 'section' },
      { title: 'calls', align: 'right' },
      { title: 'total ms', align: 'right' },
      { title: 'average µs', align: 'right' },
      { title: 'share', align: 'right' },
      { title: 'GOP/s', align: 'right' },
      { title: 'GB/s', align: 'right' },
    ],
    [
      ...rows.map((row) => [
        row.op,
        String(row.calls),
        row.milliseconds.toFixed(2),
        row.calls > 0 ? ((row.milliseconds * 1000) / row.calls).toFixed(1) : '-',
        `${((100 * row.milliseconds) / total).toFixed(1)} %`,
        rate(2 * row.macs, row.milliseconds),
        rate(row.bytes, row.milliseconds),
      ]),
      ['all', '', total.toFixed(2), '', '', '', ''],
    ],
  );
  context.log(`${table}(summed over ${threads} threads)`);
}
