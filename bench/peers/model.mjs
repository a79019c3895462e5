// @ts-check
/** The file to measure with: of the model store, a path, or random weights. */
import { existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseRandomSpec, writeRandomModel } from '../../tools/make-model/random-model.mjs';

/**
 * @typedef {object} BenchModel
 * @property {string[]} paths the file, or all its shards
 * @property {string} title
 * @property {number} vocabulary
 */

/**
 * @param {Pick<import('./options.mjs').Options, 'model' | 'random' | 'offline'>} options
 * @param {{ cache: string, signal: AbortSignal, say: (line: string) => void }} host
 * @returns {Promise<BenchModel>}
 */
export async function findModel({ model, random, offline }, { cache, signal, say }) {
  const paths =
    random === undefined ? await stored(model, offline, signal, say) : [await made(random, cache, say)];
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
    };
  } finally {
    await closeGguf(file);
  }
}
