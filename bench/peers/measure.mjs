// @ts-check
/**
 * One measurement of one engine, in a process of its own: memory, warm-up and caches are nobody else's. The
 * same code drives all engines that run in Node; llama_cpp_python.py does the same steps.
 */
import { availableParallelism } from 'node:os';
import { promptIds } from './plan.mjs';
import { peakRss, pss } from './processes.mjs';

/**
 * How an engine is driven.
 *
 * @typedef {object} Adapter
 * @property {() => Promise<{ version: string }>} start loads code; no model
 * @property {() => Promise<{ backend: string }>} load until the first prompt can be given
 * @property {(ids: number[], tokens: number) => AsyncIterable<number[]>} generate greedily, on an empty context,
 *   past any end of generation; gives the ids as they come, one or more at a time; -1 where they are not known
 * @property {Meter} [meter] of an engine that works in other processes than this one
 * @property {() => Promise<void>} close
 */

/**
 * What an engine uses: CPU time so far; the largest resident set, and the proportional one of now, in bytes.
 *
 * @typedef {{ cpuMs: () => number, peakRss: () => number, pss: () => number }} Meter
 */

/**
 * @param {import('./plan.mjs').Job} job
 * @param {Adapter} adapter
 * @returns {Promise<import('./plan.mjs').Result>}
 */
export async function measure(job, adapter) {
  /** @type {Record<string, number>} */
  const values = {};
  /** @type {string[]} */
  const skipped = [];
  let salt = 0;
  let largestPss = 0;
  const meter = adapter.meter ?? OWN;
  /** @param {number} length @param {number} tokens */
  const run = async (length, tokens) => {
    const timed = await time(adapter, meter, promptIds(length, job.vocabulary, ++salt), tokens);
    largestPss = Math.max(largestPss, meter.pss());
    return timed;
  };

  let before = performance.now();
  const { version } = await adapter.start();
  values.start = performance.now() - before;
  before = performance.now();
  const { backend } = await adapter.load();
  values.load = performance.now() - before;
  // Right after loading, as a user meets it: an engine that maps the file reads it now.
  values.loadToFirst = values.load + (await run(1, 1)).firstMs;
  values.firstToken = (await run(job.firstToken, 1)).firstMs;
  /** Prompts that would take longer than one measurement may are left out. @param {number} n @param {string} metric */
  const tooLong = (n, metric) => {
    const seconds = ((values.firstToken ?? 0) / job.firstToken / 1000) * n;
    if (seconds <= job.timeLimit) return false;
    skipped.push(`${metric}: about ${seconds.toFixed(0)} s`);
    return true;
  };
  for (const n of job.prefill) {
    if (tooLong(n, `prefill ${n}`)) continue;
    const timed = await run(n, 1);
    values[`prefill${n}`] = (n * 1000) / timed.firstMs;
    values[`prefillCpu${n}`] = timed.firstCpuMs / n;
  }
  await run(16, 17);
  /** @type {number[]} */
  let ids = [];
  for (const { context, tokens } of job.decode) {
    if (tooLong(context, `decode at ${context}`)) continue;
    // One more: the first token belongs to the prefill.
    const timed = await run(context, tokens + 1);
    values[`decode${context}`] = (timed.steps * 1000) / timed.stepsMs;
    values[`decodeCpu${context}`] = timed.stepsCpuMs / timed.steps;
    values[`decodeUse${context}`] = (100 * timed.stepsCpuMs) / timed.stepsMs / availableParallelism();
    if (ids.length === 0) ids = timed.ids;
  }
  values.peakRss = meter.peakRss() / 1e6;
  if (largestPss > 0) values.peakPss = largestPss / 1e6;
  const cpuSeconds = (meter.cpuMs() + (adapter.meter ? OWN.cpuMs() : 0)) / 1000;
  await adapter.close();
  return { version, backend, values, ids, skipped, cpuSeconds };
}

/**
 * Time to the first token, and of the steps after it.
 *
 * @param {Adapter} adapter @param {Meter} meter @param {number[]} prompt @param {number} tokens
 */
async function time(adapter, meter, prompt, tokens) {
  /** @type {number[]} */
  const ids = [];
  const start = performance.now();
  let first = 0;
  let last = 0;
  let counted = 0;
  const cpuStart = meter.cpuMs();
  let cpuFirst = cpuStart;
  for await (const part of adapter.generate(prompt, tokens)) {
    if (part.length === 0) continue;
    last = performance.now();
    if (ids.length === 0) {
      first = last;
      counted = part.length;
      cpuFirst = meter.cpuMs();
    }
    ids.push(...part);
    if (ids.length >= tokens) break;
  }
  const cpuLast = meter.cpuMs();
  if (ids.length !== tokens) throw new Error(`${ids.length} tokens were generated, not ${tokens}`);
  return {
    ids,
    firstMs: first - start,
    firstCpuMs: cpuFirst - cpuStart,
    steps: tokens - counted,
    stepsMs: last - first,
    stepsCpuMs: cpuLast - cpuFirst,
  };
}

const LINUX = process.platform === 'linux';

/** Of this process, all its threads. @type {Meter} */
const OWN = {
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  // Linux's ru_maxrss may be inherited from the parent process; what /proc says is not.
  peakRss: () => (LINUX ? peakRss([process.pid]) : process.resourceUsage().maxRSS * 1024),
  pss: () => (LINUX ? pss([process.pid]) : 0),
};
