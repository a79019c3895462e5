// @ts-check
/** The command line of `npm run bench:peers`. */
import { FLAG, TEXT, UsageError, count, counts, parse, someOf } from '../options.mjs';

export const HELP = `usage: npm run bench:peers -- [options]
Measures nibble and other engines on one GGUF file, in turn, each time in a process of its own.
  --model MODEL      path or name of the model list (default smollm2-135m)
  --random SPEC      a file of random weights instead, as 1.1b:Q4_0 (see tools/make-model)
  --threads LIST     thread counts (default 1,2; all cores where there are fewer)
  --rounds N         measurements per engine and thread count (default 5)
  --prefill LIST     prompt lengths (default 32,256,512)
  --decode LIST      contexts at which 64 tokens are decoded (default 16,1024)
  --time-limit N     seconds: longer prompts are left out, as of wllama (default 60)
  --full             a whole set of files, one after the other: SmolLM2-135M in four quantizations, Gemma 3 270M,
                     random 1.1B in Q4_0, Q4_K and Q8_0; what cannot be had is named
  --peers LIST       which peers (default node-llama-cpp,wllama); none: nibble alone
  --onnx DIR         also @huggingface/transformers, with an ONNX export of the same model: DIR/config.json, DIR/onnx/
  --python           also llama-cpp-python, built from source by pip: takes 10 minutes and a C++ compiler
  --cache DIR        where peers and random models are kept (default .cache/peers)
  --offline          install nothing
  --json             one JSON document with every sample on standard output
example: npm run bench:peers -- --random 1.1b:Q4_0 --threads 2 --rounds 5
`;

/**
 * @typedef {object} Options
 * @property {string | undefined} model
 * @property {string | undefined} random
 * @property {number[]} threads
 * @property {number} rounds
 * @property {number[]} prefill
 * @property {number[]} decode
 * @property {number} timeLimit
 * @property {boolean} full
 * @property {string | undefined} onnx
 * @property {string[]} peers
 * @property {string | undefined} cache
 * @property {boolean} offline
 * @property {boolean} json
 * @property {boolean} help
 */

/**
 * @param {string[]} args
 * @param {{ cores: number, peers: readonly string[] }} host cores of the machine, and the peers there are
 * @returns {Options}
 */
export function parseOptions(args, { cores, peers: known }) {
  const values = parse(args, {
    model: { ...TEXT, short: 'm' },
    random: TEXT,
    threads: { ...TEXT, short: 't' },
    rounds: { ...TEXT, short: 'r' },
    prefill: TEXT,
    decode: TEXT,
    'time-limit': TEXT,
    full: FLAG,
    onnx: TEXT,
    peers: TEXT,
    python: FLAG,
    cache: TEXT,
    offline: FLAG,
    json: FLAG,
  });
  if (values.model !== undefined && values.random !== undefined) {
    throw new UsageError('give --model or --random, not both');
  }
  const threads = counts('--threads', values.threads ?? (cores > 1 ? '1,2' : '1'));
  const peers =
    values.peers === 'none' ? [] : someOf('--peers', values.peers ?? 'node-llama-cpp,wllama', known);
  if (values.python) peers.push('llama-cpp-python');
  if (values.onnx !== undefined) peers.push('transformers.js');
  if (values.full && (values.model ?? values.random) !== undefined) {
    throw new UsageError('--full has files of its own: give no --model or --random');
  }
  if (values.full && values.onnx !== undefined) {
    throw new UsageError('--onnx is an export of one model, --full has several');
  }
  return {
    model: values.model,
    random: values.random,
    threads,
    rounds: count('--rounds', values.rounds ?? '5'),
    prefill: counts('--prefill', values.prefill ?? '32,256,512'),
    decode: counts('--decode', values.decode ?? '16,1024'),
    timeLimit: count('--time-limit', values['time-limit'] ?? '60'),
    full: values.full ?? false,
    onnx: values.onnx,
    peers: [...new Set(peers)],
    cache: values.cache,
    offline: values.offline ?? false,
    json: values.json ?? false,
    help: values.help ?? false,
  };
}
