// @ts-check
/** From times to the table, the comparison and the chart. */
import { figure, markdown } from '../table.mjs';
import { describeSamples, speedUp } from './statistics.mjs';

/**
 * @typedef {object} Row one contestant's figures for one case
 * @property {'gemv' | 'gemm'} kernel
 * @property {string} format
 * @property {string} variant
 * @property {number} rows
 * @property {number} columns
 * @property {number} tokens
 * @property {number} threads
 * @property {boolean} cold
 * @property {number} weightBytes
 * @property {number[]} samples seconds per product
 * @property {number} microseconds mean
 * @property {number} best microseconds
 * @property {number} rme relative margin of error of the mean, 95 %
 * @property {number} gops 10^9 operations per second: two for each multiply-accumulate
 * @property {number} gbs 10^9 bytes of weights per second
 * @property {number} ofPeak share of the variant's measured peak on as many threads
 * @property {number} ofBandwidth share of the measured bandwidth on as many threads; above 1: weights come from a cache
 *
 * @typedef {object} Limits measured
 * @property {number} threads
 * @property {string} variant
 * @property {number} int8 10^9 multiply-accumulates per second
 * @property {number} f32
 * @property {number} bandwidth 10^9 bytes per second
 *
 * @typedef {{ machine: string, date: string, revectorize: boolean, limits: Limits[], rows: Row[] }} Document
 */

/**
 * @param {import('./cases.mjs').Case} product
 * @param {{ variant: string, cold: boolean, weightBytes: number, samples: number[] }} timed
 * @param {Limits} limits of this variant and so many threads
 * @returns {Row}
 */
export function rowOf({ kernel, format, rows, columns, tokens, threads }, timed, limits) {
  const { mean, best, rme } = describeSamples(timed.samples);
  const macs = rows * columns * tokens;
  const gops = (2 * macs) / mean / 1e9;
  const gbs = timed.weightBytes / mean / 1e9;
  const peak = format.form === 'f32' ? limits.f32 : limits.int8;
  return {
    kernel,
    format: format.name,
    rows,
    columns,
    tokens,
    threads,
    ...timed,
    microseconds: mean * 1e6,
    best: best * 1e6,
    rme,
    gops,
    gbs,
    ofPeak: gops / 2 / peak,
    ofBandwidth: gbs / limits.bandwidth,
  };
}

/** @param {readonly Limits[]} limits */
export function renderLimits(limits) {
  const head = ['variant', 'threads', 'int8 GOP/s', 'f32 GOP/s', 'read GB/s'];
  const rows = limits.map(({ variant, threads, int8, f32, bandwidth }) => [
    variant,
    String(threads),
    figure(2 * int8),
    figure(2 * f32),
    figure(bandwidth),
  ]);
  return markdown(head, rows, [0]);
}

/** @param {readonly Row[]} rows */
export function renderTable(rows) {
  const head = ['kernel', 'format', 'shape', 'variant', 'threads', 'µs', '±', 'best µs'];
  const cells = rows.map((row) => [
    ...name(row),
    figure(row.microseconds),
    percent(row.rme, 1),
    figure(row.best),
    figure(row.gops),
    percent(row.ofPeak),
    figure(row.gbs),
    percent(row.ofBandwidth),
  ]);
  return markdown([...head, 'GOP/s', '% of peak', 'GB/s', '% of bandwidth'], cells, TEXTS);
}

/** Smaller differences are taken for noise, however sure they seem: runs differ by more than their samples tell. */
const NOISE = 0.02;

/**
 * @typedef {object} Comparison
 * @property {Row} row
 * @property {number} ratio how much faster than the base, by means; above 1 is faster
 * @property {number} best the same by the fastest samples, which other programs disturb least
 * @property {number} low of the interval of 95 % confidence
 * @property {number} high
 * @property {'faster' | 'SLOWER' | 'same'} verdict
 */

/**
 * @param {readonly Row[]} base
 * @param {readonly Row[]} rows
 * @returns {Comparison[]} of the rows that are in both
 */
export function compareRows(base, rows) {
  const before = new Map(base.map((row) => [keyOf(row), row]));
  return rows.flatMap((row) => {
    const old = before.get(keyOf(row));
    if (!old) return [];
    const { ratio, low, high } = speedUp(old.samples, row.samples);
    const verdict = high < 1 - NOISE ? 'SLOWER' : low > 1 + NOISE ? 'faster' : 'same';
    const best = Math.min(...old.samples) / Math.min(...row.samples);
    return [{ row, ratio, best, low, high, verdict }];
  });
}

/** @param {readonly Comparison[]} comparisons */
export function renderComparison(comparisons) {
  const head = ['kernel', 'format', 'shape', 'variant', 'threads', 'speed / base', '95 %', 'by best', ''];
  const cells = comparisons.map(({ row, ratio, best, low, high, verdict }) => [
    ...name(row),
    ratio.toFixed(3),
    `${low.toFixed(3)} .. ${high.toFixed(3)}`,
    best.toFixed(3),
    verdict === 'same' ? '' : verdict,
  ]);
  const slower = comparisons.filter(({ verdict }) => verdict === 'SLOWER').length;
  return `${markdown(head, cells, [...TEXTS, 8])}\n${comparisons.length} compared, ${slower} slower beyond noise\n`;
}

/** @param {readonly Row[]} rows @returns {import('../../tools/charts/bars.ts').BarChart} */
export function chartOf(rows) {
  return {
    title: 'Weight kernels',
    unit: 'GOP/s',
    bars: rows.map((row) => ({
      label: name(row)
        .map((text, i) => (i === 4 ? `${text} thr.` : text))
        .join(' '),
      value: row.gops,
      group: row.variant,
      interval: [row.gops * (1 - row.rme), row.gops * (1 + row.rme)],
    })),
  };
}

/** The first cells of every table; texts are left-aligned. */
const TEXTS = [0, 1, 2, 3];

/** @param {Row} row */
function name({ kernel, format, rows, columns, tokens, variant, threads }) {
  const shape = `${rows} x ${columns}${tokens > 1 ? ` x ${tokens}` : ''}`;
  return [kernel, format, shape, variant, String(threads)];
}

/** @param {Row} row */
function keyOf(row) {
  return `${name(row).join(' ')}${row.cold ? ' cold' : ''}`;
}

/** @param {number} share @param {number} [digits] */
function percent(share, digits = 0) {
  return `${(100 * share).toFixed(digits)} %`;
}
