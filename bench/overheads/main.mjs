// @ts-check
/**
 * `npm run bench:overheads`: what does not multiply weights, as shares: --profile, sampling from a large vocabulary,
 * JavaScript and detokenization, the race of kernel variants at the first start.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeSamples, speedUp } from '../kernels/statistics.mjs';
import { describeMachine } from '../machine.mjs';
import { count, parse, TEXT, UsageError } from '../options.mjs';
import { findModel } from '../peers/model.mjs';
import { markdown } from '../table.mjs';
import { jsPerToken, samplingMs, stepMs } from './measure.mjs';

const HELP = `usage: npm run bench:overheads -- [options]
Measures what nibble spends beside its kernels, as shares of a decoded token, and its starts.
  --random SPEC    model of random weights (default qwen2.5-0.5b:Q4_0: a vocabulary of 151,936)
  --model MODEL    or a path or name
  --threads N      (default: all cores)
  --rounds N       of --profile off and on, alternated (default 12)
  --tokens N       decoded in a round (default 32)
`;

/** @typedef {typeof import('../../src/platform/node/load-model.ts')} Library */
const built = (/** @type {string} */ path) => import(new URL(`../../dist/src/${path}`, import.meta.url).href);
const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const CACHE = fileURLToPath(new URL('../../.cache/peers', import.meta.url));

/** An interval that reaches so far says nothing about one percent. */
const NOISE = 0.05;

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:overheads: ${/** @type {Error} */ (error).message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main() {
  const options = { random: TEXT, model: TEXT, threads: TEXT, rounds: TEXT, tokens: TEXT };
  const values = parse(process.argv.slice(2), options);
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const random = values.model === undefined ? (values.random ?? 'qwen2.5-0.5b:Q4_0') : undefined;
  const threads = count('--threads', values.threads ?? String(availableParallelism()));
  const rounds = count('--rounds', values.rounds ?? '12');
  const tokens = count('--tokens', values.tokens ?? '32');
  const { signal } = new AbortController();
  const host = { cache: CACHE, offline: false, signal, say };
  const model = await findModel({ model: values.model, random }, host);
  const [path = ''] = model.paths;

  /** @type {string[][]} */
  const rows = [];
  /** @param {string} what @param {string} figure @param {string} goal @param {boolean | undefined} met */
  const row = (what, figure, goal, met) =>
    rows.push([what, figure, goal, met === undefined ? 'too noisy to tell' : met ? 'met' : 'missed']);

  say('first and second start ...');
  const starts = await measureStarts(path, threads);
  row(
    'race of kernel variants, first start',
    `${starts.raceMs.toFixed(0)} ms`,
    '< 100 ms',
    starts.raceMs < 100,
  );
  row('the same with its processes', `${starts.totalMs.toFixed(0)} ms`, '-', true);
  row(
    'first token of a first start / of a second one',
    `${starts.first.toFixed(0)} / ${starts.second.toFixed(0)} ms`,
    'second is less',
    starts.second < starts.first,
  );

  say('--profile off and on ...');
  const profile = await measureProfile(path, threads, rounds, tokens);
  const overhead = 1 / profile.ratio - 1;
  row(
    `--profile on / off, ${rounds} rounds`,
    `${percent(overhead)} (95 %: ${percent(1 / profile.high - 1)} .. ${percent(1 / profile.low - 1)})`,
    '< 1 %',
    1 / profile.low - 1 > NOISE ? undefined : overhead < 0.01,
  );

  say('sampling and JavaScript ...');
  const rest = await measureRest(path, threads, tokens);
  row(
    `sampling, vocabulary of ${model.vocabulary}, of a step of ${rest.step.toFixed(1)} ms`,
    `${rest.sampling.toFixed(3)} ms, ${percent(rest.sampling / rest.step)}`,
    '< 3 %',
    rest.sampling / rest.step < 0.03,
  );
  const js = Math.max(0, rest.js - rest.sampling);
  row(
    'detokenization and the rest of JavaScript',
    `${js.toFixed(3)} ms, ${percent(js / rest.step)}`,
    '< 2 %',
    js / rest.step < 0.02,
  );
  process.stdout.write(
    `${model.title}, ${threads} threads\n${describeMachine()}\n\n${markdown(['what', 'measured', 'goal', ''], rows, [0, 1, 2, 3])}`,
  );
}

/** @param {string} path @param {number} threads @param {number} rounds @param {number} tokens */
async function measureProfile(path, threads, rounds, tokens) {
  const { loadModelFile } = /** @type {Library} */ (await built('platform/node/load-model.js'));
  const load = (/** @type {boolean} */ profile) =>
    loadModelFile([path], { threads, contextSize: 1024, profile });
  const [off, on] = [await load(false), await load(true)];
  try {
    /** @type {number[][]} */
    const times = [[], []];
    // The first round compiles.
    for (let round = 0; round <= rounds; round++) {
      for (const [i, model] of (round % 2 ? [on, off] : [off, on]).entries()) {
        const ms = await stepMs(model, tokens);
        if (round > 0) times[round % 2 ? 1 - i : i]?.push(ms);
      }
    }
    const [without = [], with_ = []] = times;
    return speedUp(without, with_);
  } finally {
    await Promise.all([off.dispose(), on.dispose()]);
  }
}

/** @param {string} path @param {number} threads @param {number} tokens */
async function measureRest(path, threads, tokens) {
  const { loadModelFile } = /** @type {Library} */ (await built('platform/node/load-model.js'));
  const { createSampler } = /** @type {typeof import('../../src/engine/sampler.ts')} */ (
    await built('engine/sampler.js')
  );
  const { peaksOf } = /** @type {typeof import('../../src/engine/sampling/peaks.ts')} */ (
    await built('engine/sampling/peaks.js')
  );
  const model = await loadModelFile([path], { threads, contextSize: 1024 });
  try {
    await stepMs(model, tokens);
    const runs = [];
    for (let i = 0; i < 5; i++) runs.push(await jsPerToken(model, tokens));
    const step = describeSamples(runs.map((run) => run.stepMs)).median;
    const js = describeSamples(runs.map((run) => run.jsMs)).median;
    const sampling = samplingMs(createSampler, peaksOf, model.info.vocabularySize);
    return { step, js, sampling };
  } finally {
    await model.dispose();
  }
}

/** Two starts of the command line with an empty folder for what nibble remembers. @param {string} path @param {number} threads */
async function measureStarts(path, threads) {
  const folder = mkdtempSync(join(tmpdir(), 'nibble-start-'));
  try {
    const args = [
      CLI,
      'generate',
      '-m',
      path,
      '-p',
      'a',
      '-n',
      '1',
      '--temp',
      '0',
      '-t',
      String(threads),
      '--json',
    ];
    const start = async () => {
      const before = performance.now();
      await promisify(execFile)(process.execPath, args, { env: { ...process.env, NIBBLE_HOME: folder } });
      return performance.now() - before;
    };
    const first = await start();
    const second = Math.min(await start(), await start());
    const { chooseVariant, setV8Flags } = /** @type {typeof import('../../src/platform/node/variant.ts')} */ (
      await built('platform/node/variant.js')
    );
    setV8Flags();
    const { raceMs = NaN, totalMs = NaN } = await chooseVariant({ cacheDir: join(folder, 'race') });
    return { first, second, raceMs, totalMs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(2)} %`;
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}
