import { CheckpointError } from '../../../src/errors.ts';
import { f32 } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { scaledVector } from '../smoothquant.ts';
import { sliceRows, vector } from '../transforms.ts';
import { SIZES, withBias } from './common.ts';
import type { Change, Conversion, TensorRule } from './types.ts';

/** The embeddings of positions begin with two rows that no position uses: position t is row t + 2. */
const withoutOffset: Change = (rows) => sliceRows(rows, 2, rows.shape[1]! - 2);

/** OPT 350M, and nothing else, has norms after the blocks and an embedding narrower than the model. */
function check(config: Config): void {
  const width = config.count('hidden_size');
  const embedded = config.findCount('word_embed_proj_dim') ?? width;
  const bare = config.flag('_remove_final_layer_norm');
  if (!config.flag('do_layer_norm_before', true) || embedded !== width || bare) {
    throw new CheckpointError(
      `${config.path}: OPT with norms after the blocks (OPT 350M), or without the last one, is not supported`,
    );
  }
}

const EPSILON = { 'attention.layer_norm_epsilon': f32(1e-5) };

const base = {
  name: 'opt',
  prefixes: ['model.decoder.', 'decoder.', 'model.'],
  activations: ['relu'],
  check,
  fields: [...SIZES, ['feed_forward_length', 'u32', 'ffn_dim'], ['vocab_size', 'u32', 'vocab_size']],
  metadata: () => EPSILON,
  tied: true,
} satisfies Partial<Conversion>;

const OUTER: readonly TensorRule[] = [
  ['embed_tokens.weight', 'token_embd.weight'],
  ['embed_positions.weight', 'position_embd.weight', withoutOffset],
  ...withBias('final_layer_norm', 'output_norm'),
  ['lm_head.weight?', 'output.weight'],
  ...withBias('layers.{}.self_attn_layer_norm', 'blk.{}.attn_norm'),
  ...withBias('layers.{}.final_layer_norm', 'blk.{}.ffn_norm'),
];

/** [in the checkpoint, in GGUF] of a layer's matrices. */
const INT8_OUTPUT = [
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['fc1', 'ffn_up'],
] as const;
const F32_OUTPUT = [
  ['self_attn.out_proj', 'attn_output'],
  ['fc2', 'ffn_down'],
] as const;

export const opt: Conversion = {
  ...base,
  classes: ['OPTForCausalLM', 'OPTModel'],
  tensors: [
    ...OUTER,
    ...[...INT8_OUTPUT, ...F32_OUTPUT].flatMap(([from, to]) => withBias(`layers.{}.${from}`, `blk.{}.${to}`)),
  ],
};

/**
 * SmoothQuant's int8 export of OPT (arXiv:2211.10438): int8 weights, one scale per matrix that already contains those
 * of its input and output. README.md of this folder has the names and the arithmetic.
 */
export const optSmoothQuant: Conversion = {
  ...base,
  classes: ['Int8OPTForCausalLM'],
  metadata: () => ({ ...EPSILON, 'quantization.method': 'smoothquant' }),
  tensors: [
    ...OUTER,
    ...INT8_OUTPUT.flatMap(([from, to]): TensorRule[] => [
      [`layers.{}.${from}.weight`, `blk.{}.${to}.weight`],
      [`layers.{}.${from}.a`, `blk.{}.${to}.scale`],
      [`layers.{}.${from}.bias`, `blk.{}.${to}.bias`, scaledVector(`layers.{}.${from}.b`)],
    ]),
    ...F32_OUTPUT.flatMap(([from, to]): TensorRule[] => [
      [`layers.{}.${from}.weight`, `blk.{}.${to}.weight`],
      [`layers.{}.${from}.a`, `blk.{}.${to}.scale`],
      [`layers.{}.${from}.bias`, `blk.{}.${to}.bias`, vector],
    ]),
    ['layers.{}.self_attn.qk_bmm.a', 'blk.{}.attn_qk.scale'],
    ['layers.{}.self_attn.pv_bmm.a', 'blk.{}.attn_pv.scale'],
  ],
};
