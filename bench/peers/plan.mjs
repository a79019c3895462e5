// @ts-check
/** What is measured: the metrics of a run, and the job that a child process gets. */

/**
 * @typedef {object} Metric
 * @property {string} id key in a child's result
 * @property {string} title
 * @property {string} unit
 * @property {'higher' | 'lower' | 'neither'} better neither: an explanation, not a merit; it has no best and no ratio
 */

/**
 * @typedef {object} Job
 * @property {string} engine
 * @property {string[]} paths the model file, or all its shards
 * @property {number} vocabulary
 * @property {number} threads
 * @property {number} contextSize
 * @property {number} batchSize
 * @property {number} firstToken length of the prompt whose first token is waited for before anything is warm
 * @property {number[]} prefill prompt lengths
 * @property {{ context: number, tokens: number }[]} decode
 * @property {string} [onnx] folder of an ONNX export of the same model
 * @property {number} timeLimit seconds: prompts that would take longer are left out
 */

/**
 * What a child prints: seconds, tokens per second and bytes by metric id, and what the engine says it is.
 *
 * @typedef {object} Result
 * @property {string} version
 * @property {string} backend
 * @property {Record<string, number>} values
 * @property {number[]} ids of the first decode, to see whether engines agree; -1 where they are not known
 * @property {string[]} skipped what would have taken too long
 * @property {number} cpuSeconds of the whole process
 */

const FIRST_TOKEN = 256;
const DECODED = 64;

/**
 * @param {Pick<import('./options.mjs').Options, 'prefill' | 'decode' | 'timeLimit'>} options
 * @returns {Pick<Job, 'contextSize' | 'batchSize' | 'firstToken' | 'prefill' | 'decode' | 'timeLimit'>}
 */
export function workload({ prefill, decode, timeLimit }) {
  const longest = Math.max(FIRST_TOKEN, ...prefill, ...decode.map((context) => context + DECODED)) + 1;
  return {
    // The same for all engines: they reserve the KV cache for it.
    contextSize: Math.max(2048, Math.ceil(longest / 256) * 256),
    batchSize: 512,
    firstToken: FIRST_TOKEN,
    prefill,
    decode: decode.map((context) => ({ context, tokens: DECODED })),
    timeLimit,
  };
}

/**
 * @param {Pick<Job, 'firstToken' | 'prefill' | 'decode'>} job
 * @returns {Metric[]}
 */
export function metricsOf({ firstToken, prefill, decode }) {
  return [
    metric('start', 'start engine', 'ms', 'lower'),
    metric('load', 'load model', 'ms', 'lower'),
    metric('loadToFirst', 'load to first token, prompt of 1', 'ms', 'lower'),
    metric('firstToken', `first token, prompt of ${firstToken}`, 'ms', 'lower'),
    ...prefill.flatMap((n) => [
      metric(`prefill${n}`, `prefill ${n}`, 'tok/s', 'higher'),
      metric(`prefillCpu${n}`, `CPU per token, prefill ${n}`, 'ms', 'lower'),
    ]),
    ...decode.flatMap(({ context }) => [
      metric(`decode${context}`, `decode at ${context}`, 'tok/s', 'higher'),
      metric(`decodeCpu${context}`, `CPU per token, decode at ${context}`, 'ms', 'lower'),
      metric(`decodeUse${context}`, `CPU use, decode at ${context}`, '% of all', 'neither'),
      metric(`decodeShare${context}`, `share of read bandwidth, decode at ${context}`, '%', 'neither'),
    ]),
    metric('peakRss', 'peak memory (RSS)', 'MB', 'lower'),
    metric('peakPss', 'memory (PSS)', 'MB', 'lower'),
  ];
}

/**
 * @param {string} id @param {string} title @param {string} unit @param {Metric['better']} better
 * @returns {Metric}
 */
function metric(id, title, unit, better) {
  return { id, title, unit, better };
}

/**
 * Token ids of a prompt, the same for every engine and another for every salt, so that no cache can help.
 * They come from the middle half of the vocabulary: control tokens stand at its ends.
 *
 * @param {number} length @param {number} vocabulary @param {number} salt
 */
export function promptIds(length, vocabulary, salt) {
  const from = vocabulary >> 2;
  const span = vocabulary >> 1;
  return Array.from({ length }, (_, i) => from + ((i * 7919 + salt * 104_729) % span));
}
