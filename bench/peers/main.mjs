// @ts-check
/**
 * `npm run bench:peers`: nibble and other engines on the same file. Each measurement is a process of its own,
 * and the engines take turns (A B A B), so that a machine that slows down slows all of them.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine, NOISE, watchOthers } from '../machine.mjs';
import { UsageError } from '../options.mjs';
import { measureBandwidths } from './bandwidth.mjs';
import { findModel, FULL_SET } from './model.mjs';
import { HELP, parseOptions } from './options.mjs';
import { lastLine, measureOnce, NIBBLE, PEERS, prepare } from './peers.mjs';
import { metricsOf, workload } from './plan.mjs';
import { renderTable, summarize } from './report.mjs';

/** @type {Missing} */
const NO_ONNX = {
  name: 'transformers.js',
  reason: 'it runs ONNX exports, not GGUF files: --onnx DIR gives it one of the same model',
};

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
  const host = { cache, offline: options.offline, signal: interrupt.signal, say };

  /** @type {Missing[]} */
  const missing = options.onnx === undefined ? [NO_ONNX] : [];
  const engines = [NIBBLE];
  for (const peer of PEERS.filter(({ name }) => options.peers.includes(name))) {
    const reason = await prepare(peer, host);
    if (reason === undefined) engines.push(peer);
    else missing.push({ name: peer.name, reason });
  }
  for (const { name, reason } of missing) say(`without ${name}: ${reason}`);

  const bandwidth = await measureBandwidths(options.threads, cache);
  /** @type {object[]} */
  const documents = [];
  /** @type {readonly import('./model.mjs').ModelChoice[]} */
  const choices = options.full ? FULL_SET : [{ model: options.model, random: options.random }];
  for (const choice of choices) {
    /** @type {import('./model.mjs').BenchModel} */
    let model;
    try {
      model = await findModel(choice, host);
    } catch (error) {
      if (!options.full || interrupt.signal.aborted) throw error;
      const name = [choice.model ?? choice.random, choice.quantize].filter(Boolean).join(' ');
      process.stdout.write(`without ${name}: ${lastLine(error)}\n\n`);
      continue;
    }
    const document = await measureModel(model, options, [...engines], [...missing], bandwidth, cache);
    documents.push(document);
    if (!options.json) process.stdout.write(render(document));
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify(options.full ? documents : documents[0], undefined, 2)}\n`);
  }
  return 0;
}

/** @typedef {{ name: string, reason: string }} Missing */
/** @typedef {Awaited<ReturnType<typeof measureModel>>} Document */

/**
 * @param {import('./model.mjs').BenchModel} model
 * @param {import('./options.mjs').Options} options
 * @param {import('./peers.mjs').Peer[]} engines
 * @param {Missing[]} missing
 * @param {Awaited<ReturnType<typeof measureBandwidths>>} bandwidth
 * @param {string} cache
 */
async function measureModel(model, options, engines, missing, bandwidth, cache) {
  const { signal } = interrupt;
  const plan = workload(options);
  const metrics = metricsOf(plan);
  const others = watchOthers();
  /** @type {import('./report.mjs').Sample[]} */
  const samples = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const threads of options.threads) {
      for (const engine of [...engines]) {
        const onnx = options.onnx && resolve(options.onnx);
        const job = { ...plan, paths: model.paths, vocabulary: model.vocabulary, threads, onnx };
        try {
          const result = await measureOnce(engine, job, { cache, signal });
          addShares(
            result,
            model.bytesPerToken,
            bandwidth.measured.find((each) => each.threads === threads),
          );
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
  return {
    model: model.title,
    machine: describeMachine(),
    date: new Date().toISOString(),
    rounds: options.rounds,
    othersCpuShare: others(samples.reduce((sum, { result }) => sum + result.cpuSeconds, 0)),
    bandwidth,
    plan,
    metrics,
    engines: engines.map(({ name }) => {
      const results = samples.filter((sample) => sample.engine === name).map(({ result }) => result);
      const [result] = results;
      return {
        name,
        version: result?.version,
        backend: result?.backend,
        agreement: agreement(samples, name),
        skipped: [...new Set(results.flatMap(({ skipped }) => skipped))],
      };
    }),
    missing,
    summary: summarize(samples, metrics),
    samples,
  };
}

/**
 * What an engine reads of weights in a second, as a share of what the machine can read.
 *
 * @param {import('./plan.mjs').Result} result @param {number} bytesPerToken
 * @param {import('./bandwidth.mjs').Bandwidth | undefined} bandwidth
 */
function addShares({ values }, bytesPerToken, bandwidth) {
  if (!bandwidth) return;
  const most = Math.max(bandwidth.wasm, bandwidth.native ?? 0) * 1e9;
  for (const [id, value] of Object.entries(values)) {
    const context = /^decode(\d+)$/.exec(id)?.[1];
    if (context !== undefined) values[`decodeShare${context}`] = (100 * value * bytesPerToken) / most;
  }
}

/** @param {Document} document */
function render({
  model,
  machine,
  rounds,
  othersCpuShare: share,
  bandwidth,
  engines,
  missing,
  summary,
  metrics,
}) {
  const lines = [
    `${model}, ${rounds} rounds, best / median; ratio: nibble / peer`,
    machine,
    ...bandwidth.measured.map(({ threads, wasm, native }) => {
      const other = native === undefined ? `native: ${bandwidth.missing}` : `native ${native.toFixed(1)}`;
      return `memory is read with ${threads} threads at GB/s: WebAssembly ${wasm.toFixed(1)}, ${other}`;
    }),
    ...engines.map(({ name, version, backend }) => `${name} ${version}: ${backend}`),
    ...engines.flatMap(({ name, skipped }) => skipped.map((what) => `${name} without ${what}`)),
    ...missing.map(({ name, reason }) => `without ${name}: ${reason}`),
    `other processes used ${(100 * share).toFixed(0)} % of the machine${share > NOISE ? ': these figures are noisy' : ''}`,
  ];
  return `${lines.join('\n')}\n\n${renderTable(summary, metrics)}\n`;
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
  if (theirs.includes(-1)) return undefined;
  const different = ours.findIndex((id, i) => id !== theirs[i]);
  return { same: different === -1 ? ours.length : different, of: ours.length };
}

/**
 * @param {number} round @param {number} rounds @param {number} threads @param {string} name
 * @param {import('./plan.mjs').Result} result
 */
function progress(round, rounds, threads, name, { values }) {
  const rates = Object.entries(values)
    .filter(([id]) => /^(prefill|decode)\d+$/.test(id))
    .map(([id, value]) => `${id.replace(/\d/, ' $&')} ${value.toFixed(1)}`)
    .join(', ');
  return `round ${round} of ${rounds}, threads ${threads}, ${name}: tok/s ${rates}`;
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`${line}\n`);
}
