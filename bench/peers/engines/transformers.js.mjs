// @ts-check
/** @huggingface/transformers: an ONNX export of the model in onnxruntime's native library, on the CPU. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Files of an export, from the smallest weights on, and what the library calls them. */
const WEIGHTS = [
  ['q4', 'model_q4.onnx'],
  ['q8', 'model_quantized.onnx'],
  ['fp16', 'model_fp16.onnx'],
  ['fp32', 'model.onnx'],
];

/**
 * @param {import('../plan.mjs').Job & { cache: string }} job
 * @returns {import('../measure.mjs').Adapter}
 */
export function createAdapter({ threads, cache, onnx = '' }) {
  const folder = join(cache, 'transformers.js', 'node_modules', '@huggingface', 'transformers');
  // Its types are not installed here.
  /** @type {any} */
  let library;
  /** @type {any} */
  let model;
  return {
    async start() {
      const { version, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      library = await import(pathToFileURL(join(folder, exports.node.import.default)).href);
      return { version };
    },
    async load() {
      const [dtype] = WEIGHTS.find(([, file]) => existsSync(join(onnx, 'onnx', file ?? ''))) ?? [];
      if (dtype === undefined) {
        throw new Error(`${onnx}/onnx has none of ${WEIGHTS.map(([, file]) => file).join(', ')}`);
      }
      library.env.allowRemoteModels = false;
      library.env.localModelPath = dirname(onnx);
      model = await library.AutoModelForCausalLM.from_pretrained(basename(onnx), {
        dtype,
        device: 'cpu',
        session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
      });
      return { backend: `${basename(onnx)}, weights ${dtype}, onnxruntime` };
    },
    async *generate(ids, tokens) {
      /** @type {number[][]} */
      const parts = [];
      let wake = () => {};
      let ended = false;
      const streamer = new (class extends library.BaseStreamer {
        /** @param {bigint[][]} value */
        put([row = []]) {
          parts.push(row.map(Number));
          wake();
        }
        end() {}
      })();
      const row = (/** @type {bigint[]} */ values) =>
        new library.Tensor('int64', BigInt64Array.from(values), [1, values.length]);
      const done = model
        .generate({
          input_ids: row(ids.map(BigInt)),
          attention_mask: row(ids.map(() => 1n)),
          ...{ max_new_tokens: tokens, min_new_tokens: tokens, do_sample: false, streamer },
        })
        .finally(() => {
          ended = true;
          wake();
        });
      // Said below, where the parts end.
      done.catch(() => {});
      let prompt = true;
      while (!ended || parts.length > 0) {
        const part = parts.shift();
        if (part === undefined) await new Promise((resolve) => (wake = () => resolve(undefined)));
        // What comes first is the prompt.
        else if (prompt) prompt = false;
        else yield part;
      }
      await done;
    },
    close: () => model.dispose(),
  };
}
