// @ts-check
/**
 * Converts checkpoints to F32 and lets llama.cpp (node-llama-cpp's prebuilt library) run the files: its logits must be
 * those that PyTorch has recorded in golden.json, and its greedy ids too.
 *
 *     node tools/convert/llama-cpp.mjs [FOLDER ...]      default: test/fixtures/checkpoints/*
 *
 * node-llama-cpp is installed into .cache/peers where it is not there yet. Exit code 77: it cannot be had here.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PEERS, prepare } from '../../bench/peers/peers.mjs';

const ROOT = new URL('../../', import.meta.url);
const CACHE = fileURLToPath(new URL('.cache/peers', ROOT));
const SKIPPED = 77;
/**
 * llama.cpp against PyTorch: 2e-5, 5e-3 where GELU is looked up in an f16 table; these references rounded their
 * rotation to f16.
 */
const MAX_ABS = 1e-4;
const ROUNDED_MAX_ABS = 1e-2;
const GELU_MAX_ABS = 1e-2;
/** Why llama.cpp cannot be asked for the logits of a checkpoint; undefined: it can. @param {string} folder @param {{ architectures: string[] }} config @param {{ logits?: string }} golden */
function obstacle(folder, { architectures: [kind = ''] }, golden) {
  if (golden.logits === undefined) return 'has no logits';
  if (/^(Int8)?OPT/.test(kind)) return `llama.cpp does not know ${kind}`;
  return existsSync(join(folder, 'tokenizer.json'))
    ? undefined
    : 'node-llama-cpp cannot do without a tokenizer';
}

/** @typedef {{ tokens: number[], logits_offset: number, logits_shape: [number, number], greedy: number[], margins: number[] }} Sequence */

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/** Loads the library. */
async function loadLibrary() {
  const peer = PEERS.find(({ name }) => name === 'node-llama-cpp');
  if (!peer) throw new Error('node-llama-cpp is not among the peers');
  const signal = AbortSignal.timeout(300_000);
  const problem = await prepare(peer, { cache: CACHE, offline: false, signal, say });
  if (problem !== undefined) {
    say(`SKIPPED: node-llama-cpp: ${problem}`);
    process.exit(SKIPPED);
  }
  const entry = join(CACHE, 'node-llama-cpp', 'node_modules', 'node-llama-cpp', 'dist', 'index.js');
  const { getLlama } = await import(pathToFileURL(entry).href);
  const options = { gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: 'error' };
  // No limit of its own: contexts say how many threads they take.
  return getLlama({ ...options, maxThreads: 0 });
}

/** @param {string} folder @param {string} output */
async function convert(folder, output) {
  const { planConversion } = await import(new URL('dist/tools/convert/index.js', ROOT).href);
  const plan = await planConversion(folder, output, { outtype: 'f32' });
  await plan.write();
  await plan.close();
}

/** Exact: no flash attention, whose keys and values are f16. @param {any} model */
function openContext(model) {
  return model.createContext({
    contextSize: 512,
    batchSize: 512,
    sequences: 1,
    threads: { ideal: 2, min: 1 },
    failedCreationRemedy: false,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
}

/**
 * Largest distance of llama.cpp's logits from the recorded ones, over all positions of all sequences.
 *
 * @param {any} llama @param {string} file @param {string} folder
 * @param {{ logits: string, sequences: Sequence[] }} golden
 */
async function compare(llama, file, folder, golden) {
  const reference = new Float32Array(Uint8Array.from(readFileSync(join(folder, golden.logits))).buffer);
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
  try {
    let most = 0;
    let positions = 0;
    for (const { tokens, logits_offset: offset, logits_shape: shape } of golden.sequences) {
      const context = await openContext(model);
      const input = tokens.map((token) => [token, { generateNext: { logits: true } }]);
      const results = await context.getSequence().controlledEvaluate(input);
      for (let i = 0; i < tokens.length; i++) {
        const logits = results[i]?.next.logits;
        if (!logits || logits.size !== shape[1])
          throw new Error(`${logits?.size ?? 'no'} logits instead of ${shape[1]}`);
        for (let id = 0; id < shape[1]; id++) {
          const distance = Math.abs((logits.get(id) ?? NaN) - (reference[offset + i * shape[1] + id] ?? NaN));
          if (!Number.isFinite(distance))
            throw new Error(`position ${i}: the logit of ${id} is ${logits.get(id)}`);
          most = Math.max(most, distance);
        }
        positions++;
      }
      await context.dispose();
    }
    return { most, positions };
  } finally {
    await model.dispose();
  }
}

/** The 24 ids that follow, as far as the recorded margins decide them. @param {any} llama @param {string} file @param {Sequence[]} sequences @param {number} tolerance */
async function compareGreedy(llama, file, sequences, tolerance) {
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
  let compared = 0;
  for (const { tokens, greedy, margins } of sequences) {
    const context = await openContext(model);
    const ids = [];
    for await (const id of context.getSequence().evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
      ids.push(id);
      if (ids.length >= greedy.length) break;
    }
    const open = margins.findIndex((margin) => margin < 2 * tolerance);
    const count = open < 0 ? greedy.length : open;
    if (ids.slice(0, count).join() !== greedy.slice(0, count).join()) {
      throw new Error(`greedy ids ${ids.join(' ')}, not ${greedy.join(' ')}`);
    }
    compared += count;
    await context.dispose();
  }
  await model.dispose();
  return compared;
}

const fixtures = fileURLToPath(new URL('test/fixtures/checkpoints', ROOT));
const given = process.argv.slice(2);
const folders = (given.length > 0 ? given : readdirSync(fixtures).map((name) => join(fixtures, name))).filter(
  (folder) => existsSync(join(folder, 'golden.json')),
);
const llama = await loadLibrary();
const scratch = mkdtempSync(join(tmpdir(), 'nibble-llama-cpp-'));
let failed = 0;
let compared = 0;
try {
  say(`llama.cpp ${llama.llamaCppRelease.release}`);
  for (const folder of folders) {
    const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8'));
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    const name = basename(folder);
    const reason = obstacle(folder, config, golden);
    if (reason !== undefined) {
      say(`${name}: left out: ${reason}`);
      continue;
    }
    compared++;
    const file = join(scratch, `${name}.gguf`);
    const limit = config.quantization_config
      ? ROUNDED_MAX_ABS
      : /gelu/.test(config.hidden_activation ?? config.hidden_act ?? config.activation_function ?? '')
        ? GELU_MAX_ABS
        : MAX_ABS;
    try {
      await convert(folder, file);
      const { most, positions } = await compare(llama, file, folder, golden);
      const ids = await compareGreedy(llama, file, golden.sequences, limit);
      const fine = most <= limit;
      if (!fine) failed++;
      say(
        `${name}: ${positions} positions, largest distance ${most.toExponential(1)} (at most ${limit}), ${ids} greedy ids${fine ? '' : ': FAILED'}`,
      );
    } catch (error) {
      failed++;
      say(`${name}: FAILED: ${/** @type {Error} */ (error).message}`);
    }
  }
} finally {
  await llama.dispose();
  rmSync(scratch, { recursive: true, force: true });
}
say(`${compared} compared, ${failed} failed`);
// Nothing compared is no success.
process.exitCode = failed === 0 && compared > 0 ? 0 : 1;
