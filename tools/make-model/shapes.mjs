// @ts-check
/**
 * Shapes of llama models, by name. The name in a file that a benchmark quotes; the numbers are those of the
 * published models, so that a file of random weights costs exactly what the real one does.
 */

/**
 * @typedef {object} Shape
 * @property {string} name
 * @property {number} layers
 * @property {number} embedding
 * @property {number} feedForward
 * @property {number} heads
 * @property {number} kvHeads
 * @property {number} vocabulary
 * @property {number} context
 * @property {number} ropeBase
 * @property {boolean} tied the embedding table is the output matrix too
 */

/** @type {readonly Shape[]} */
const SHAPES = [
  shape('tiny', [2, 256, 768, 4, 2, 512], { context: 2048, tied: true }),
  shape('small', [8, 512, 1536, 8, 4, 4096], { context: 2048, tied: true }),
  shape('smollm2-135m', [30, 576, 1536, 9, 3, 49152], { context: 8192, ropeBase: 1e5, tied: true }),
  shape('tinyllama-1.1b', [22, 2048, 5632, 32, 4, 32000], { context: 2048 }),
  shape('llama-2-7b', [32, 4096, 11008, 32, 32, 32000], { context: 4096 }),
];

const ALIASES = new Map([
  ['135m', 'smollm2-135m'],
  ['1.1b', 'tinyllama-1.1b'],
  ['7b', 'llama-2-7b'],
]);

/**
 * @param {string} name
 * @param {[number, number, number, number, number, number]} sizes layers, embedding, feed-forward, heads, KV heads, vocabulary
 * @param {{ context: number, ropeBase?: number, tied?: boolean }} rest
 * @returns {Shape}
 */
function shape(
  name,
  [layers, embedding, feedForward, heads, kvHeads, vocabulary],
  { context, ropeBase = 10_000, tied = false },
) {
  return { name, layers, embedding, feedForward, heads, kvHeads, vocabulary, context, ropeBase, tied };
}

/** Names and aliases, for messages. */
export const SHAPE_NAMES = [...SHAPES.map(({ name }) => name), ...ALIASES.keys()];

/**
 * @param {string} name a name or an alias, upper or lower case
 * @returns {Shape | undefined}
 */
export function findShape(name) {
  const lower = name.toLowerCase();
  const wanted = ALIASES.get(lower) ?? lower;
  return SHAPES.find((candidate) => candidate.name === wanted);
}

/**
 * Every tensor of a model: the matrices as [columns, rows], the norms as [columns].
 *
 * @param {Shape} shape
 * @returns {{ name: string, shape: number[], role: 'norm' | 'matrix' | 'output' }[]}
 */
export function tensorsOf({ layers, embedding, feedForward, heads, kvHeads, vocabulary, tied }) {
  const kv = (embedding / heads) * kvHeads;
  /** @type {(name: string, columns: number, rows: number) => { name: string, shape: number[], role: 'matrix' }} */
  const matrix = (name, columns, rows) => ({
    name: `${name}.weight`,
    shape: [columns, rows],
    role: 'matrix',
  });
  /** @type {(name: string) => { name: string, shape: number[], role: 'norm' }} */
  const norm = (name) => ({ name: `${name}.weight`, shape: [embedding], role: 'norm' });
  const blocks = Array.from({ length: layers }, (_, i) => [
    norm(`blk.${i}.attn_norm`),
    matrix(`blk.${i}.attn_q`, embedding, embedding),
    matrix(`blk.${i}.attn_k`, embedding, kv),
    matrix(`blk.${i}.attn_v`, embedding, kv),
    matrix(`blk.${i}.attn_output`, embedding, embedding),
    norm(`blk.${i}.ffn_norm`),
    matrix(`blk.${i}.ffn_gate`, embedding, feedForward),
    matrix(`blk.${i}.ffn_up`, embedding, feedForward),
    matrix(`blk.${i}.ffn_down`, feedForward, embedding),
  ]);
  const table = matrix('token_embd', embedding, vocabulary);
  const output = /** @type {const} */ ({ ...matrix('output', embedding, vocabulary), role: 'output' });
  return [
    tied ? { ...table, role: /** @type {const} */ ('output') } : table,
    ...blocks.flat(),
    norm('output_norm'),
    ...(tied ? [] : [output]),
  ];
}
