// @ts-check
/** From samples to the table: best, median, and nibble's ratio to each peer in both. */
import { figure, markdown } from '../table.mjs';

/**
 * @typedef {{ engine: string, threads: number, round: number, result: import('./plan.mjs').Result }} Sample
 *
 * @typedef {object} Summary one engine's figures for one metric
 * @property {number} threads
 * @property {string} metric
 * @property {string} engine
 * @property {number} best
 * @property {number} median
 * @property {number} [ratioBest] nibble / this peer
 * @property {number} [ratioMedian]
 */

const REFERENCE = 'nibble';

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/**
 * @param {readonly Sample[]} samples
 * @param {readonly import('./plan.mjs').Metric[]} metrics
 * @returns {Summary[]}
 */
export function summarize(samples, metrics) {
  const threadCounts = [...new Set(samples.map(({ threads }) => threads))];
  const engines = [...new Set(samples.map(({ engine }) => engine))];
  return threadCounts.flatMap((threads) =>
    metrics.flatMap((metric) => {
      /** @type {Summary[]} */
      const rows = engines.flatMap((engine) => {
        const values = samples
          .filter((sample) => sample.threads === threads && sample.engine === engine)
          .map((sample) => sample.result.values[metric.id] ?? NaN)
          .filter(Number.isFinite);
        if (values.length === 0) return [];
        return [{ threads, metric: metric.id, engine, best: bestOf(values, metric), median: median(values) }];
      });
      const nibble = rows.find((row) => row.engine === REFERENCE);
      for (const row of rows) {
        if (!nibble || row === nibble || metric.better === 'neither') continue;
        row.ratioBest = nibble.best / row.best;
        row.ratioMedian = nibble.median / row.median;
      }
      return rows;
    }),
  );
}

/** @param {readonly number[]} values @param {import('./plan.mjs').Metric} metric */
function bestOf(values, { better }) {
  if (better === 'neither') return median(values);
  return better === 'higher' ? Math.max(...values) : Math.min(...values);
}

/**
 * Markdown, aligned so that it can be read in a terminal. Cells are `best / median`.
 *
 * @param {readonly Summary[]} summary
 * @param {readonly import('./plan.mjs').Metric[]} metrics
 */
export function renderTable(summary, metrics) {
  const engines = [...new Set(summary.map(({ engine }) => engine))];
  const peers = engines.filter((engine) => engine !== REFERENCE);
  const head = [
    'threads',
    'best / median',
    'unit',
    ...engines.flatMap((e) => (peers.includes(e) ? [e, 'ratio'] : [e])),
  ];
  const threadCounts = [...new Set(summary.map(({ threads }) => threads))];
  const rows = threadCounts.flatMap((threads) =>
    metrics.map((metric) => {
      const cells = engines.flatMap((engine) => {
        const row = summary.find(
          (each) => each.threads === threads && each.metric === metric.id && each.engine === engine,
        );
        const figures = row ? cell(row, metric) : '-';
        if (!peers.includes(engine)) return [figures];
        const ratio =
          row?.ratioBest === undefined ? '-' : `${row.ratioBest.toFixed(2)} / ${row.ratioMedian?.toFixed(2)}`;
        return [figures, ratio];
      });
      return [String(threads), metric.title, `${metric.unit} ${ARROWS[metric.better]}`.trimEnd(), ...cells];
    }),
  );
  return markdown(head, rows, [1, 2]);
}

const ARROWS = { higher: '↑', lower: '↓', neither: '' };

/** @param {Summary} row @param {import('./plan.mjs').Metric} metric */
function cell(row, { better }) {
  return better === 'neither' ? figure(row.median) : `${figure(row.best)} / ${figure(row.median)}`;
}
