// @ts-check
/** llama.cpp as the native addon of node-llama-cpp, prebuilt, on the CPU. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * @param {import('../plan.mjs').Job & { cache: string }} job
 * @returns {import('../measure.mjs').Adapter}
 */
export function createAdapter({ paths, threads, contextSize, batchSize, cache }) {
  const folder = join(cache, 'node-llama-cpp', 'node_modules', 'node-llama-cpp');
  // Its types are not installed here.
  /** @type {Record<'llama' | 'model' | 'context' | 'sequence', any>} */
  const native = { llama: undefined, model: undefined, context: undefined, sequence: undefined };
  return {
    async start() {
      const { getLlama } = await import(pathToFileURL(join(folder, 'dist', 'index.js')).href);
      native.llama = await getLlama({
        gpu: false,
        build: 'never',
        skipDownload: true,
        progressLogs: false,
        logLevel: 'error',
        // No limit of its own: the context below says how many.
        maxThreads: 0,
      });
      return { version: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version };
    },
    async load() {
      native.model = await native.llama.loadModel({ modelPath: paths[0], gpuLayers: 0 });
      native.context = await native.model.createContext({
        contextSize,
        batchSize,
        sequences: 1,
        threads: { ideal: threads, min: threads },
        // So that it does not shrink the context, nor refuse.
        failedCreationRemedy: false,
      });
      native.sequence = native.context.getSequence();
      return {
        backend: `llama.cpp ${native.llama.llamaCppRelease.release}, ${native.llama.buildType}, ${backend(native.llama)}`,
      };
    },
    async *generate(ids, tokens) {
      await native.sequence.clearHistory();
      let count = 0;
      const options = { temperature: 0, yieldEogToken: true };
      for await (const id of native.sequence.evaluate(ids, options)) {
        yield [id];
        if (++count === 1 && native.context.currentThreads !== threads) {
          throw new Error(`node-llama-cpp ran on ${native.context.currentThreads} threads, not ${threads}`);
        }
        if (count >= tokens) return;
      }
    },
    async close() {
      await native.context.dispose();
      await native.model.dispose();
      await native.llama.dispose();
    },
  };
}

/** Which of the CPU libraries it chose, where the system tells; otherwise the instruction sets it reports. @param {any} llama */
function backend(llama) {
  if (llama.gpu !== false) throw new Error(`node-llama-cpp runs on ${llama.gpu}, not on the CPU`);
  try {
    const maps = readFileSync('/proc/self/maps', 'utf8');
    const library = /libggml-cpu[\w.-]*/.exec(maps)?.[0];
    if (library !== undefined) return library;
  } catch {
    // Not Linux.
  }
  return String(llama.systemInfo).trim();
}
