// @ts-check
/**
 * Shapes of models, by name. The name in a file that a benchmark quotes; the numbers are those of the
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
 * @property {string} [architecture] default llama
 * @property {ExpertShape} [experts] instead of a feed-forward block
 * @property {LatentShape} [latent] latent attention
 * @property {[key: string, value: number | boolean | string][]} [metadata] more keys, without the architecture
 */

/**
 * @typedef {object} ExpertShape
 * @property {number} count
 * @property {number} used by a token
 * @property {number} feedForward of one expert
 * @property {number} [shared] experts that every token goes through
 * @property {number} [dense] leading layers without experts
 * @property {boolean} [bias] on the choice of experts
 * @property {boolean} [gated] a gate decides on the part of the shared ones
 */

/**
 * @typedef {object} LatentShape
 * @property {number} rank of the vector that is cached
 * @property {number} [queryRank]
 * @property {number} plain values of a head's key that are not rotated
 * @property {number} rotary values that are
 * @property {number} value values of a head's value
 * @property {boolean} [together] keys' and values' projections are one tensor, as in older files
 */

/** @type {readonly Shape[]} */
const SHAPES = [
  shape('tiny', [2, 256, 768, 4, 2, 512], { context: 2048, tied: true }),
  shape('small', [8, 512, 1536, 8, 4, 4096], { context: 2048, tied: true }),
  // Columns that all types of blocks fit.
  shape('medium', [12, 1024, 2816, 16, 4, 12288], { context: 2048 }),
  shape('smollm2-135m', [30, 576, 1536, 9, 3, 49152], { context: 8192, ropeBase: 1e5, tied: true }),
  // As llama: without the biases of its attention. Its vocabulary is what sampling is measured with.
  shape('qwen2.5-0.5b', [24, 896, 4864, 14, 2, 151936], { context: 32768, ropeBase: 1e6, tied: true }),
  shape('tinyllama-1.1b', [22, 2048, 5632, 32, 4, 32000], { context: 2048 }),
  shape('moe-small', [16, 1024, 2816, 16, 4, 32000], {
    context: 4096,
    ropeBase: 1e6,
    architecture: 'qwen3moe',
    experts: { count: 32, used: 8, feedForward: 384 },
  }),
  shape('mla-small', [12, 1024, 2816, 16, 16, 32000], {
    context: 4096,
    architecture: 'deepseek2',
    experts: { count: 32, used: 6, feedForward: 512, shared: 2, dense: 1 },
    latent: { rank: 512, queryRank: 512, plain: 128, rotary: 64, value: 128 },
  }),
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
 * @param {Pick<Shape, 'context' | 'architecture' | 'experts' | 'latent'> & { ropeBase?: number, tied?: boolean }} rest
 * @returns {Shape}
 */
function shape(name, [layers, embedding, feedForward, heads, kvHeads, vocabulary], rest) {
  const sizes = { name, layers, embedding, feedForward, heads, kvHeads, vocabulary };
  return { ropeBase: 10_000, tied: false, ...sizes, ...rest };
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
 * @typedef {object} ShapedTensor
 * @property {string} name
 * @property {number[]} shape matrices as [columns, rows], several in one tensor as [columns, rows, count]
 * @property {'norm' | 'matrix' | 'output' | 'float'} role
 */

/** @type {(name: string, columns: number, rows: number, count?: number) => ShapedTensor} */
const matrix = (name, columns, rows, count) => ({
  name: `${name}.weight`,
  shape: count === undefined ? [columns, rows] : [columns, rows, count],
  role: 'matrix',
});

/** @type {(name: string, width: number) => ShapedTensor} */
const norm = (name, width) => ({ name: `${name}.weight`, shape: [width], role: 'norm' });

/**
 * Every tensor of a model.
 *
 * @param {Shape} shape
 * @returns {ShapedTensor[]}
 */
export function tensorsOf(shape) {
  const { layers, embedding, vocabulary, tied } = shape;
  const blocks = Array.from({ length: layers }, (_, i) => [
    norm(`blk.${i}.attn_norm`, embedding),
    ...attentionTensors(shape, `blk.${i}.`),
    norm(`blk.${i}.ffn_norm`, embedding),
    ...feedForwardTensors(shape, i),
  ]);
  const table = matrix('token_embd', embedding, vocabulary);
  const output = /** @type {const} */ ({ ...matrix('output', embedding, vocabulary), role: 'output' });
  return [
    tied ? { ...table, role: /** @type {const} */ ('output') } : table,
    ...blocks.flat(),
    norm('output_norm', embedding),
    ...(tied ? [] : [output]),
  ];
}

/** @param {Shape} shape @param {string} layer @returns {ShapedTensor[]} */
function attentionTensors({ architecture, embedding, heads, kvHeads, latent }, layer) {
  if (!latent) {
    const head = embedding / heads;
    return [
      matrix(`${layer}attn_q`, embedding, embedding),
      matrix(`${layer}attn_k`, embedding, head * kvHeads),
      matrix(`${layer}attn_v`, embedding, head * kvHeads),
      matrix(`${layer}attn_output`, embedding, embedding),
      ...(architecture?.startsWith('qwen3')
        ? [norm(`${layer}attn_q_norm`, head), norm(`${layer}attn_k_norm`, head)]
        : []),
    ];
  }
  const { rank, queryRank = 0, plain, rotary, value, together } = latent;
  const queries = heads * (plain + rotary);
  return [
    ...(queryRank > 0
      ? [
          matrix(`${layer}attn_q_a`, embedding, queryRank),
          norm(`${layer}attn_q_a_norm`, queryRank),
          matrix(`${layer}attn_q_b`, queryRank, queries),
        ]
      : [matrix(`${layer}attn_q`, embedding, queries)]),
    matrix(`${layer}attn_kv_a_mqa`, embedding, rank + rotary),
    norm(`${layer}attn_kv_a_norm`, rank),
    ...(together
      ? [matrix(`${layer}attn_kv_b`, rank, heads * (plain + value))]
      : [matrix(`${layer}attn_k_b`, plain, rank, heads), matrix(`${layer}attn_v_b`, rank, value, heads)]),
    matrix(`${layer}attn_output`, heads * value, embedding),
  ];
}

/** @param {Shape} shape @param {number} index @returns {ShapedTensor[]} */
function feedForwardTensors({ embedding, feedForward, experts }, index) {
  const layer = `blk.${index}.`;
  if (!experts || index < (experts.dense ?? 0)) {
    return [
      matrix(`${layer}ffn_gate`, embedding, feedForward),
      matrix(`${layer}ffn_up`, embedding, feedForward),
      matrix(`${layer}ffn_down`, feedForward, embedding),
    ];
  }
  const { count, feedForward: width, shared = 0, bias, gated } = experts;
  return [
    { ...matrix(`${layer}ffn_gate_inp`, embedding, count), role: 'float' },
    ...(bias
      ? [{ name: `${layer}exp_probs_b.bias`, shape: [count], role: /** @type {const} */ ('float') }]
      : []),
    ...(gated
      ? [
          {
            name: `${layer}ffn_gate_inp_shexp.weight`,
            shape: [embedding],
            role: /** @type {const} */ ('float'),
          },
        ]
      : []),
    matrix(`${layer}ffn_gate_exps`, embedding, width, count),
    matrix(`${layer}ffn_up_exps`, embedding, width, count),
    matrix(`${layer}ffn_down_exps`, width, embedding, count),
    ...(shared > 0
      ? [
          matrix(`${layer}ffn_gate_shexp`, embedding, width * shared),
          matrix(`${layer}ffn_up_shexp`, embedding, width * shared),
          matrix(`${layer}ffn_down_shexp`, width * shared, embedding),
        ]
      : []),
  ];
}

/**
 * The sizes as GGUF metadata: whole numbers as u32, without the architecture's name in the keys.
 *
 * @param {Shape} shape
 * @returns {[key: string, value: number][]}
 */
export function sizesOf({
  embedding,
  heads,
  kvHeads,
  layers,
  feedForward,
  vocabulary,
  context,
  experts,
  latent,
}) {
  /** @type {[string, number][]} */
  const sizes = [
    ['context_length', context],
    ['embedding_length', embedding],
    ['block_count', layers],
    ['feed_forward_length', feedForward],
    ['attention.head_count', heads],
    ['attention.head_count_kv', latent && !latent.together ? 1 : kvHeads],
    ['rope.dimension_count', latent?.rotary ?? embedding / heads],
    ['vocab_size', vocabulary],
  ];
  if (experts) {
    sizes.push(
      ['expert_count', experts.count],
      ['expert_used_count', experts.used],
      ['expert_feed_forward_length', experts.feedForward],
      ['expert_shared_count', experts.shared ?? 0],
      ['leading_dense_block_count', experts.dense ?? 0],
    );
  }
  if (latent) {
    const { rank, queryRank = 0, plain, rotary, value, together } = latent;
    sizes.push(['attention.kv_lora_rank', rank]);
    if (queryRank > 0) sizes.push(['attention.q_lora_rank', queryRank]);
    if (together) {
      sizes.push(['attention.key_length', plain + rotary], ['attention.value_length', value]);
    } else {
      sizes.push(['attention.key_length', rank + rotary], ['attention.value_length', rank]);
      sizes.push(['attention.key_length_mla', plain + rotary], ['attention.value_length_mla', value]);
    }
  }
  return sizes;
}
