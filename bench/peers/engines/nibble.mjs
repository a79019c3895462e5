// @ts-check
/** nibble itself, as the library that its users get: the built one. */
import { readFileSync } from 'node:fs';

/**
 * @param {import('../plan.mjs').Job} job
 * @returns {import('../measure.mjs').Adapter}
 */
export function createAdapter({ paths, threads, contextSize, batchSize }) {
  const root = new URL('../../../', import.meta.url);
  /** @type {typeof import('../../../src/platform/node/load-model.ts')} */
  let library;
  /** @type {import('../../../src/engine/types.ts').Model} */
  let model;
  return {
    async start() {
      library = await import(new URL('dist/src/platform/node/load-model.js', root).href);
      return { version: JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).version };
    },
    async load() {
      model = await library.loadModelFile(paths, { threads, contextSize, batchSize });
      const { variant, kvType, activations } = model.info;
      return { backend: `kernels ${variant}, activations ${activations}, KV cache ${kvType}` };
    },
    async *generate(ids, tokens) {
      // No sequence is given: each call has a fresh one.
      const options = { maxTokens: tokens, temperature: 0, repeatPenalty: 1, ignoreEos: true };
      for await (const part of model.generate(ids, options)) {
        if (part.done && part.done.timings.reusedTokens > 0) throw new Error('a prompt was found in a cache');
        yield part.ids;
      }
    },
    close: () => model.dispose(),
  };
}
