// @ts-check
/**
 * `npm run bench:peers`: nibble and other engines on the same file. Each measurement is a process of its own,
 * and the engines take turns (A B A B), so that a machine that slows down slows all of them.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine, NOISE, watchOthers } from '../machine.mjs';
import { findModel } from './model.mjs';
import { HELP, parseOptions, UsageError } from './options.mjs';
import { lastLine, measureOnce, NIBBLE, PEERS, prepare } from './peers.mjs';
import { metricsOf, workload } from './plan.mjs';
import { renderTable, summarize } from './report.mjs';

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());

try {
  const options = parseOptions(process.argv.slice(2), {
    cores: availableParallelism(),
    peers: PEERS.map(({ name }) => name),
  });
  if (options.help) process.stdout.write(HELP);
  else process.exitCode = await main(options);
} catch (error) {
  if (interrupt.signal.aborted) {
    process.exitCode = 130;
  } else {
    process.stderr.write(`bench:peers: ${/** @type {Error} */ (error).message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

/** @param {import('./options.mjs').Options} options */
async function main(options) {
  const cache = options.cache
    ? resolve(options.cache)
    : fileURLToPath(new URL('../../.cache/peers', import.meta.url));
  const { signal } = interrupt;
  const host = { cache, offline: options.offline, signal, say };
  const model = await findModel(options, host);
  const plan = workload(options);
  const metrics = metricsOf(plan);

  /** @type {{ name: string, reason: string }[]} */
  const missing = [];
  const engines = [NIBBLE];
  for (const peer of PEERS.filter(({ name }) => options.peers.includes(name))) {
    const reason = await prepare(peer, host);
    if (reason === undefined) engines.push(peer);
    else missing.push({ name: peer.name, reason });
  }
  for (const { name, reason } of missing) say(`without ${name}: ${reason}`);

  const machine = describeMachine();
  const others = watchOthers();
  /** @type {import('./report.mjs').Sample[]} */
  const samples = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const threads of options.threads) {
      for (const engine of [...engines]) {
        const job = { ...plan, paths: model.paths, vocabulary: model.vocabulary, threads };
        try {
          const result = await measureOnce(engine, job, { cache, signal });
          samples.push({ engine: engine.name, threads, round, result });
          say(progress(round, options.rounds, threads, engine.name, result));
        } catch (error) {
          if (signal.aborted || engine === NIBBLE) throw error;
          const reason = `it failed: ${lastLine(error)}`;
          missing.push({ name: engine.name, reason });
          engines.splice(engines.indexOf(engine), 1);
          say(`without ${engine.name} from here on: ${reason}`);
        }
      }
    }
  }

  const share = others(samples.reduce((sum, { result }) => sum + result.cpuSeconds, 0));
  const summary = summarize(samples, metrics);
  const about = engines.map(({ name }) => {
    const result = samples.find((sample) => sample.engine === name)?.result;
    return { name, version: result?.version, backend: result?.backend, agreement: agreement(samples, name) };
  });
  if (options.json) {
    const document = {
      model: model.title,
      machine,
      date: new Date().toISOString(),
      othersCpuShare: share,
      plan,
      metrics,
      engines: about,
      missing,
      summary,
      samples,
    };
    process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
    return 0;
  }
  const lines = [
    `${model.title}, ${options.rounds} rounds, best / median; ratio: nibble / peer`,
    machine,
    ...about.map(({ name, version, backend }) => `${name} ${version}: ${backend}`),
    ...missing.map(({ name, reason }) => `without ${name}: ${reason}`),
    `other processes used ${(100 * share).toFixed(0)} % of the machine${share > NOISE ? ': these figures are noisy' : ''}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n\n${renderTable(summary, metrics)}`);
  return 0;
}

/**
 * How many of the first tokens an engine generated as nibble did. Engines round differently, so greedy texts
 * part ways sooner or later; none at all in common would mean that they do not run the same model.
 *
 * @param {readonly import('./report.mjs').Sample[]} samples @param {string} name
 */
function agreement(samples, name) {
  /** @param {string} engine */
  const ids = (engine) => samples.find((sample) => sample.engine === engine)?.result.ids ?? [];
  const [ours, theirs] = [ids(NIBBLE.name), ids(name)];
  const different = ours.findIndex((id, i) => id !== theirs[i]);
  return { same: different === -1 ? ours.length : different, of: ours.length };
}

/**
 * @param {number} round @param {number} rounds @param {number} threads @param {string} name
 * @param {import('./plan.mjs').Result} result
 */
function progress(round, rounds, threads, name, { values }) {
  const { prefill256 = NaN, decode16 = NaN } = values;
  const rates = `prefill ${prefill256.toFixed(0)}, decode ${decode16.toFixed(1)} tok/s`;
  return `round ${round} of ${rounds}, threads ${threads}, ${name}: ${rates}`;
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}
