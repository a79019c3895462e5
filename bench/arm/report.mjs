// @ts-check
/** From counts to tables, and against the budget. */
import { markdown } from '../table.mjs';
import { COUNTED_TOKENS, GEMM_TOKENS, IDLE, MATRICES, PRODUCT, STEPS, WORKERS } from './plan.mjs';

/** @type {typeof import('../../tools/arm/balance.ts')} */
const { imbalance, shareOut } = await import(
  new URL('../../dist/tools/arm/balance.js', import.meta.url).href
);

/**
 * @typedef {import('../../tools/arm/count.ts').Counts} Counts
 *
 * @typedef {object} Kernel
 * @property {string} name as `gemv Q4_0`
 * @property {number} instructions for 32 weights of one row and one token
 * @property {string} by the NEON instruction that multiplies, and how many of it
 *
 * @typedef {object} Balance of one matrix among so many workers
 * @property {string} name
 * @property {number} workers
 * @property {number} chunks
 * @property {number} instructions of all
 * @property {number} balance the busiest worker's instructions / the mean
 *
 * @typedef {object} CpuReport
 * @property {Kernel[]} kernels
 * @property {Balance[]} balance
 * @property {number} [token] millions of instructions of a decoded token
 *
 * @typedef {Record<string, CpuReport>} Report by processor
 *
 * @typedef {{ about: string, kernels: Record<string, Record<string, number>> }} Reference by processor and kernel
 * @typedef {{ node: string, counts: Record<string, Record<string, number>> }} Budget by processor; millions for `token`
 */

/** Classes of instructions that multiply, from the one that does most. */
const MULTIPLIERS = /** @type {const} */ (['sdot', 'smull', 'fmla']);

/** Without what a step costs that has nothing to do (IDLE). @param {ReadonlyMap<string, Counts>} counts @returns {Kernel[]} */
export function kernelsOf(counts) {
  const kernels = [...counts].filter(([tag]) => !tag.startsWith(IDLE));
  return kernels.map(([tag, found]) => {
    const [kernel = '', format = ''] = tag.split(':');
    const units = (STEPS * PRODUCT.rows * PRODUCT.columns * (kernel === 'gemm' ? GEMM_TOKENS : 1)) / 32;
    const of = {
      sdot: (found['sdot'] ?? 0) + (found['sdot_lane'] ?? 0),
      smull: found['smull'] ?? 0,
      fmla: found['fmla'] ?? 0,
    };
    // Fewer than one for 64 weights is not what multiplies them.
    const multiplier = MULTIPLIERS.find((name) => of[name] / units >= 0.5);
    return {
      name: `${kernel} ${format}`,
      instructions: ((found['total'] ?? NaN) - (counts.get(`${IDLE}${tag}`)?.['total'] ?? NaN)) / units,
      by: multiplier ? `${(of[multiplier] / units).toFixed(1)} ${multiplier}` : 'mul',
    };
  });
}

/** From counts of all chunks but the first k, for each k. @param {ReadonlyMap<string, Counts>} counts @returns {Balance[]} */
export function balanceOf(counts) {
  return MATRICES.flatMap(({ name }, i) =>
    WORKERS.map((workers) => {
      const from = (/** @type {number} */ k) => counts.get(`${i}:${workers}:${k}`)?.['total'];
      /** @type {number[]} */
      const chunks = [];
      for (let k = 0; from(k) !== undefined; k++) chunks.push((from(k) ?? 0) - (from(k + 1) ?? 0));
      return {
        name,
        workers,
        chunks: chunks.length,
        instructions: (from(0) ?? NaN) / STEPS,
        balance: imbalance(shareOut(chunks, workers)),
      };
    }),
  );
}

/** Millions of instructions. @param {ReadonlyMap<string, Counts>} counts */
export function tokenOf(counts) {
  return (counts.get('tokens')?.['total'] ?? NaN) / COUNTED_TOKENS / 1e6;
}

/** The figures that the budget holds. @param {CpuReport} report @returns {Record<string, number>} */
export function figuresOf({ kernels, token }) {
  const figures = kernels.map(({ name, instructions }) => [name, Math.round(instructions * 100) / 100]);
  if (token !== undefined) figures.push(['token', Math.round(token * 10) / 10]);
  return Object.fromEntries(figures);
}

/** What a change may cost before it must be looked at. */
const TOLERANCE = 0.03;

/**
 * @param {Budget} budget @param {Report} report
 * @returns {{ over: string[][], under: number, unknown: string[] }} rows of what costs more; how many cost less than
 *   the budget by as much; what it does not hold
 */
export function checkBudget({ counts }, report) {
  /** @type {string[][]} */
  const over = [];
  /** @type {string[]} */
  const unknown = [];
  let under = 0;
  for (const [cpu, each] of Object.entries(report)) {
    for (const [name, found] of Object.entries(figuresOf(each))) {
      const allowed = counts[cpu]?.[name];
      if (allowed === undefined) {
        unknown.push(`${cpu} ${name}`);
        continue;
      }
      const ratio = found / allowed;
      if (ratio < 1 - TOLERANCE) under++;
      // Turned around so that NaN is too much.
      if (!(ratio <= 1 + TOLERANCE)) {
        over.push([cpu, name, String(allowed), String(found), `${((ratio - 1) * 100).toFixed(1)} % more`]);
      }
    }
  }
  return { over, under, unknown };
}

/** @param {readonly string[][]} over */
export function renderOver(over) {
  return markdown(['processor', 'what', 'budget', 'now', ''], over, [0, 1, 4]);
}

/** What Q4_0's GEMV may need where there is SDOT; the other kernels are held against llama.cpp's own. */
const GOAL_Q4_0 = 9.5;
const GOAL_RATIO = 1.15;

/** Instructions that a kernel should need at most. @param {string} cpu @param {string} name @param {number | undefined} native */
export function goalOf(cpu, name, native) {
  if (cpu === 'cortex-a76' && name === 'gemv Q4_0') return GOAL_Q4_0;
  return native === undefined ? undefined : native * GOAL_RATIO;
}

/** @param {string} cpu @param {Kernel[]} kernels @param {Record<string, number> | undefined} native */
export function renderKernels(cpu, kernels, native) {
  const head = ['kernel', 'for 32 weights', 'of these', 'llama.cpp', 'ratio', 'goal', ''];
  const rows = kernels.map(({ name, instructions, by }) => {
    const other = native?.[name];
    const goal = goalOf(cpu, name, other);
    return [
      name,
      instructions.toFixed(2),
      by,
      other?.toFixed(2) ?? '-',
      other === undefined ? '-' : (instructions / other).toFixed(2),
      goal?.toFixed(2) ?? '-',
      goal === undefined ? '' : instructions <= goal ? 'met' : 'missed',
    ];
  });
  return markdown(head, rows, [0, 6]);
}

/** @param {Balance[]} balance */
export function renderBalance(balance) {
  const head = ['matrix', 'workers', 'chunks', 'instructions, 10^3', 'busiest / mean'];
  const rows = balance.map(({ name, workers, chunks, instructions, balance: ratio }) => [
    name,
    String(workers),
    String(chunks),
    (instructions / 1e3).toFixed(0),
    ratio.toFixed(2),
  ]);
  return markdown(head, rows, [0]);
}

/** Of all matrices of the model: the busiest workers' instructions, one matrix after the other, / the mean. @param {Balance[]} balance @param {number} workers */
export function overallBalance(balance, workers) {
  let longest = 0;
  let mean = 0;
  for (const { name, workers: count, instructions, balance: ratio } of balance) {
    if (count !== workers) continue;
    const times = MATRICES.find((matrix) => matrix.name === name)?.count ?? 0;
    longest += times * ratio * instructions;
    mean += times * instructions;
  }
  return longest / mean;
}
