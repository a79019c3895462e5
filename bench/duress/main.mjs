// @ts-check
/**
 * `npm run bench:duress`: what becomes of the speed when the machine is not all nibble's: one worker is slower than the
 * others (a little core, a throttled one), or another process keeps a core busy; and of a generation that others join.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { readFileSync } from 'node:fs';
import { describeSamples } from '../kernels/statistics.mjs';
import { describeMachine } from '../machine.mjs';
import { MATMUL_FORMATS, Matmul } from '../matmul.mjs';
import { count, parse, TEXT, UsageError } from '../options.mjs';
import { findModel } from '../peers/model.mjs';
import { cpuMs } from '../peers/processes.mjs';
import { stepMs } from '../overheads/measure.mjs';
import { stallMs } from './newcomers.mjs';

const HELP = `usage: npm run bench:duress -- [options]
  --random SPEC    model of random weights (default 1.1b:Q4_0)
  --model MODEL    or a path or name
  --threads N      (default: all cores)
  --rounds N       without and with the other process, alternated (default 6)
`;
const CACHE = fileURLToPath(new URL('../../.cache/peers', import.meta.url));
/** Decoded in a round. */
const TOKENS = 24;
/** The slow worker takes so many times its time more for each chunk. */
const SLOW = 3;
const SHAPE = { rows: 4096, columns: 2048 };

/** @template T @param {string} path below dist/src @returns {Promise<T>} */
const built = (path) => import(new URL(`../../dist/src/${path}`, import.meta.url).href);

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:duress: ${/** @type {Error} */ (error).message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main() {
  const options = { random: TEXT, model: TEXT, threads: TEXT, rounds: TEXT };
  const values = parse(process.argv.slice(2), options);
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const threads = count('--threads', values.threads ?? String(availableParallelism()));
  const rounds = count('--rounds', values.rounds ?? '6');
  process.stdout.write(`${describeMachine()}, ${threads} threads\n`);
  if (threads > 1) await slowWorker(threads);
  const random = values.model === undefined ? (values.random ?? '1.1b:Q4_0') : undefined;
  await shared({ model: values.model, random }, threads, rounds);
}

/** One of the workers needs `1 + SLOW` times as long for each of its chunks. @param {number} threads */
async function slowWorker(threads) {
  /** @type {typeof import('../../src/platform/node/v8-flags.ts')} */
  const { setV8Flags } = await built('platform/node/v8-flags.js');
  const variant = setV8Flags() ? 'dot2' : 'simd';
  const module = new WebAssembly.Module(
    readFileSync(new URL(`../../dist/kernels/${variant}.wasm`, import.meta.url)),
  );
  const format = MATMUL_FORMATS.find(({ name }) => name === 'Q4_0');
  if (!format) throw new Error('no Q4_0');
  const shape = { ...SHAPE, format, tokens: 1, threads, copies: 1 };
  const product = new Matmul(module, shape);
  const slowed = new Matmul(module, { ...shape, slow: SLOW });
  try {
    await Promise.all([product.ready(), slowed.ready()]);
    const time = (/** @type {Matmul} */ run) => {
      const start = performance.now();
      for (let i = 0; i < 50; i++) run.step();
      return (performance.now() - start) / 50;
    };
    const even = /** @type {number[]} */ ([]);
    const uneven = /** @type {number[]} */ ([]);
    for (let round = 0; round < 12; round++) {
      const times = [time(product), time(slowed)];
      if (round < 2) continue;
      even.push(times[0] ?? NaN);
      uneven.push(times[1] ?? NaN);
    }
    const kept = describeSamples(even).median / describeSamples(uneven).median;
    // The others' full shares, and what the slow one can do.
    const ideal = (threads - 1 + 1 / (1 + SLOW)) / threads;
    const beyond = 1 - kept / ideal;
    const goal = 1 / threads;
    process.stdout.write(
      [
        '',
        `One of ${threads} workers is ${1 + SLOW} times slower (GEMV of Q4_0, ${SHAPE.rows} x ${SHAPE.columns}):`,
        `  speed kept      ${percent(kept)} of all workers at full speed`,
        `  at best         ${percent(ideal)}: its share is what it loses`,
        `  lost beyond it  ${percent(beyond)}; goal: less than ${percent(goal)}: ${beyond < goal ? 'met' : 'missed'}`,
        '',
      ].join('\n'),
    );
  } finally {
    await Promise.all([product.close(), slowed.close()]);
  }
}

/** @param {import('../peers/model.mjs').ModelChoice} choice @param {number} threads @param {number} rounds */
async function shared(choice, threads, rounds) {
  const { signal } = new AbortController();
  const host = {
    cache: CACHE,
    offline: false,
    signal,
    say: (/** @type {string} */ line) => console.error(line),
  };
  const { paths, title } = await findModel(choice, host);
  /** @type {typeof import('../../src/platform/node/load-model.ts')} */
  const { loadModelFile } = await built('platform/node/load-model.js');
  const model = await loadModelFile(paths, { threads, contextSize: 2048 });
  try {
    await otherProcess(model, title, rounds);
    await newcomers(model, title);
  } finally {
    await model.dispose();
  }
}

/** @param {import('../../src/engine/types.ts').Model} model @param {string} title @param {number} rounds */
async function otherProcess(model, title, rounds) {
  await stepMs(model, TOKENS);
  const alone = /** @type {number[]} */ ([]);
  const beside = /** @type {number[]} */ ([]);
  const lost = /** @type {number[]} */ ([]);
  for (let round = 0; round < rounds; round++) {
    alone.push(await stepMs(model, TOKENS));
    const other = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    try {
      const [start, cpu] = [performance.now(), cpuMs([other.pid ?? 0])];
      beside.push(await stepMs(model, TOKENS));
      const used = cpuMs([other.pid ?? 0]) - cpu;
      lost.push(used / (performance.now() - start) / availableParallelism());
    } finally {
      other.kill('SIGKILL');
    }
  }
  const kept = describeSamples(alone).median / describeSamples(beside).median;
  const share = describeSamples(lost).median;
  const least = 1 - share - 0.1;
  process.stdout.write(
    [
      '',
      `Another process keeps a core busy (decode, ${title}):`,
      `  speed kept       ${percent(kept)}`,
      `  CPU it took      ${percent(share)} of all cores`,
      `  goal             at least ${percent(least)}: the share that is left, less 10 %: ${kept >= least ? 'met' : 'missed'}`,
      '',
    ].join('\n'),
  );
}

/** @param {import('../../src/engine/types.ts').Model} model @param {string} title */
async function newcomers(model, title) {
  for (const joining of [1, 4]) {
    const { alone, beside, largest } = await stallMs(model, joining);
    const stall = beside - alone;
    process.stdout.write(
      [
        '',
        `${joining === 1 ? 'A prompt joins' : `${joining} prompts join`} one that decodes (${title}):`,
        `  between tokens   ${alone.toFixed(0)} ms alone; ${beside.toFixed(0)} ms beside prompts, ${largest.toFixed(0)} at most`,
        `  goal             less than 100 ms more: ${stall < 100 ? 'met' : 'missed'}`,
        '',
      ].join('\n'),
    );
  }
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}
