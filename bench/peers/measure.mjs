// @ts-check
/**
 * One measurement of one engine, in a process of its own: memory, warm-up and caches are nobody else's. The
 * same code drives all engines that run in Node; llama_cpp_python.py does the same steps.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promptIds } from './plan.mjs';

/**
 * How an engine is driven.
 *
 * @typedef {object} Adapter
 * @property {() => Promise<{ version: string }>} start loads code; no model
 * @property {() => Promise<{ backend: string }>} load until the first prompt can be given
 * @property {(ids: number[], tokens: number) => AsyncIterable<number[]>} generate greedily, on an empty context,
 *   past any end of generation; gives the ids as they come, one or more at a time
 * @property {() => Promise<void>} close
 */

/**
 * @param {import('./plan.mjs').Job} job
 * @param {Adapter} adapter
 * @returns {Promise<import('./plan.mjs').Result>}
 */
export async function measure(job, adapter) {
  /** @type {Record<string, number>} */
  const values = {};
  let salt = 0;
  /** @param {number} length @param {number} tokens */
  const run = (length, tokens) => time(adapter, promptIds(length, job.vocabulary, ++salt), tokens);

  let before = performance.now();
  const { version } = await adapter.start();
  values.start = performance.now() - before;
  before = performance.now();
  const { backend } = await adapter.load();
  values.load = performance.now() - before;
  // Right after loading, as a user meets it; it warms up for what follows.
  values.firstToken = (await run(job.firstToken, 1)).firstMs;
  for (const n of job.prefill) {
    const timed = await run(n, 1);
    values[`prefill${n}`] = (n * 1000) / timed.firstMs;
    values[`prefillCpu${n}`] = timed.firstCpuMs / n;
  }
  await run(16, 17);
  /** @type {number[]} */
  let ids = [];
  for (const { context, tokens } of job.decode) {
    // One more: the first token belongs to the prefill.
    const timed = await run(context, tokens + 1);
    values[`decode${context}`] = (timed.steps * 1000) / timed.stepsMs;
    values[`decodeCpu${context}`] = timed.stepsCpuMs / timed.steps;
    values[`decodeUse${context}`] = (100 * timed.stepsCpuMs) / timed.stepsMs / availableParallelism();
    if (ids.length === 0) ids = timed.ids;
  }
  values.peakRss = peakRss() / 1e6;
  await adapter.close();
  const { user, system } = process.cpuUsage();
  return { version, backend, values, ids, cpuSeconds: (user + system) / 1e6 };
}

/**
 * Time to the first token, and of the steps after it.
 *
 * @param {Adapter} adapter @param {number[]} prompt @param {number} tokens
 */
async function time(adapter, prompt, tokens) {
  /** @type {number[]} */
  const ids = [];
  const start = performance.now();
  let first = 0;
  let last = 0;
  let counted = 0;
  const cpuStart = process.cpuUsage();
  let cpuFirst = cpuStart;
  for await (const part of adapter.generate(prompt, tokens)) {
    if (part.length === 0) continue;
    last = performance.now();
    if (ids.length === 0) {
      first = last;
      counted = part.length;
      cpuFirst = process.cpuUsage();
    }
    ids.push(...part);
    if (ids.length >= tokens) break;
  }
  const cpuLast = process.cpuUsage();
  if (ids.length !== tokens) throw new Error(`${ids.length} tokens were generated, not ${tokens}`);
  return {
    ids,
    firstMs: first - start,
    firstCpuMs: cpuMs(cpuStart, cpuFirst),
    steps: tokens - counted,
    stepsMs: last - first,
    stepsCpuMs: cpuMs(cpuFirst, cpuLast),
  };
}

/** @param {NodeJS.CpuUsage} from @param {NodeJS.CpuUsage} to */
function cpuMs(from, to) {
  return (to.user + to.system - from.user - from.system) / 1000;
}

/** Bytes. Linux's ru_maxrss may be inherited from the parent process; VmHWM is not. */
function peakRss() {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
