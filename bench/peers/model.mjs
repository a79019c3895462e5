// @ts-check
/** The file to measure with: of the model store, a path, or random weights. */
import { existsSync, mkdirSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseRandomSpec, writeRandomModel } from '../../tools/make-model/random-model.mjs';

/**
 * @typedef {object} BenchModel
 * @property {string[]} paths the file, or all its shards
 * @property {string} title
 * @property {number} vocabulary
 * @property {number} bytesPerToken of weights that decoding one token reads
 */

/** @typedef {{ model?: string, random?: string, quantize?: string }} ModelChoice `quantize`: the model in this type */

/** The files of --full. @type {readonly ModelChoice[]} */
export const FULL_SET = [
  { model: 'smollm2-135m' },
  { model: 'smollm2-135m', quantize: 'Q8_0' },
  { model: 'smollm2-135m', quantize: 'Q4_0' },
  { model: 'smollm2-135m', quantize: 'Q4_K_M' },
  { model: 'gemma3-270m' },
  { random: '1.1b:Q4_0' },
  { random: '1.1b:Q4_K' },
  { random: '1.1b:Q8_0' },
];

/**
 * @param {ModelChoice} choice
 * @param {{ cache: string, offline: boolean, signal: AbortSignal, say: (line: string) => void }} host
 * @returns {Promise<BenchModel>}
 */
export async function findModel({ model, random, quantize }, { cache, offline, signal, say }) {
  let paths =
    random === undefined ? await stored(model, offline, signal, say) : [await made(random, cache, say)];
  if (quantize !== undefined) paths = [await quantized(paths, quantize, cache, say)];
  return { paths, ...(await describe(paths)) };
}

/**
 * @param {string | undefined} model @param {boolean} offline @param {AbortSignal} signal
 * @param {(line: string) => void} say
 */
async function stored(model, offline, signal, say) {
  if (model !== undefined && existsSync(model)) return [model];
  /** @type {typeof import('../../src/models/index.ts')} */
  const { DEFAULT_MODEL, resolveModel } = await import(
    new URL('../../dist/src/models/index.js', import.meta.url).href
  );
  // Named, also where it is the default: nothing smaller is to take its place.
  const options = { ...(offline && { offline }), signal, onNotice: say };
  return (await resolveModel(model ?? DEFAULT_MODEL, options)).paths;
}

/** @param {string} text @param {string} cache @param {(line: string) => void} say */
async function made(text, cache, say) {
  const spec = parseRandomSpec(text);
  const folder = join(cache, 'models');
  const path = join(folder, `random-${spec.shape.name}.${spec.type}.gguf`);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    say(`writing ${path} ...`);
    await writeRandomModel(path, spec);
  }
  return path;
}

/**
 * A model in another type. Made from quantized weights: for speed alone, which does not depend on values.
 *
 * @param {string[]} paths @param {string} type @param {string} cache @param {(line: string) => void} say
 */
async function quantized(paths, type, cache, say) {
  const [source = ''] = paths;
  const folder = join(cache, 'models');
  const path = join(folder, `${basename(source, '.gguf')}.${type}.gguf`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  say(`quantizing ${path} ...`);
  const cli = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
  await promisify(execFile)(process.execPath, [cli, 'quantize', source, path, type, '--allow-requantize']);
  return path;
}

/** @param {string[]} paths */
async function describe(paths) {
  /** @type {typeof import('../../src/gguf/index.ts')} */
  const { closeGguf, openGguf } = await import(new URL('../../dist/src/gguf/index.js', import.meta.url).href);
  /** @type {typeof import('../../src/platform/node/file-source.ts')} */
  const { fileSource } = await import(
    new URL('../../dist/src/platform/node/file-source.js', import.meta.url).href
  );
  const [path = ''] = paths;
  const file = await openGguf(path, fileSource);
  try {
    const tokens = file.metadata.get('tokenizer.ggml.tokens');
    return {
      title: `${basename(path)} (${(file.byteLength / 1e6).toFixed(1)} MB)`,
      vocabulary: Array.isArray(tokens) ? tokens.length : 0,
      bytesPerToken: bytesPerToken(file.tensors),
    };
  } finally {
    await closeGguf(file);
  }
}

/**
 * All matrices, but of the embedding a row where there is another output matrix.
 *
 * @param {readonly { name: string, byteLength: number, shape: readonly number[] }[]} tensors
 */
function bytesPerToken(tensors) {
  const untied = tensors.some(({ name }) => name === 'output.weight');
  return tensors
    .filter(({ name, shape }) => shape.length > 1 && !(untied && name === 'token_embd.weight'))
    .reduce((sum, { byteLength }) => sum + byteLength, 0);
}
