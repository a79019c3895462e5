/** Rows and values that several architectures share. */
import { CheckpointError } from '../../../src/errors.ts';
import { f32, u32, type WritableValue } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { interleaveHeads } from '../transforms.ts';
import type { Change, Field, TensorRule } from './types.ts';

export const MODEL_PREFIXES = ['model.language_model.', 'language_model.model.', 'language_model.', 'model.'];

export const headCount = (config: Config): number => config.count('num_attention_heads', 'n_head', 'n_heads');
export const kvHeadCount = (config: Config): number =>
  config.findCount('num_key_value_heads') ?? headCount(config);
export const layerCount = (config: Config): number =>
  config.count('num_hidden_layers', 'n_layer', 'n_layers', 'num_transformer_layers');
export const expertCount = (config: Config): number =>
  config.count('num_experts', 'num_local_experts', 'n_routed_experts');
/** Width of a head: named, or the model's width divided among the heads. */
export const headWidth = (config: Config): number =>
  config.findCount('head_dim') ?? config.count('hidden_size', 'n_embd', 'dim') / headCount(config);

export const SIZES: readonly Field[] = [
  ['context_length', 'u32', 'max_position_embeddings', 'n_positions', 'n_ctx'],
  ['embedding_length', 'u32', 'hidden_size', 'n_embd', 'dim'],
  ['block_count', 'u32', 'num_hidden_layers', 'n_layer', 'n_layers'],
  ['attention.head_count', 'u32', 'num_attention_heads', 'n_head', 'n_heads'],
];

/** Names of functions; `swish` is an older name. */
export const SILU = ['silu', 'swish'];
/** The form with tanh. */
export const GELU_TANH = ['gelu_pytorch_tanh', 'gelu_new', 'gelu_fast'];

/** Llama's shape, which most decoders have. */
export const DECODER: readonly Field[] = [
  ...SIZES,
  ['feed_forward_length', 'u32', 'intermediate_size'],
  ['attention.layer_norm_rms_epsilon', 'f32', 'rms_norm_eps'],
  ['vocab_size', 'u32', 'vocab_size'],
];

/** Heads of keys and values, and their width where it is not the model's width divided among the heads. */
export function attention(config: Config): Record<string, WritableValue> {
  const width = headWidth(config);
  const plain = width * headCount(config) === config.count('hidden_size');
  return {
    'attention.head_count_kv': u32(kvHeadCount(config)),
    ...(plain && config.findCount('head_dim') === undefined
      ? {}
      : { 'attention.key_length': u32(width), 'attention.value_length': u32(width) }),
  };
}

/** The window of layers that do not see everything; nothing where the model does not use it. */
export function slidingWindow(config: Config): Record<string, WritableValue> {
  const window = config.flag('use_sliding_window', true) ? config.findCount('sliding_window') : undefined;
  return window === undefined ? {} : { 'attention.sliding_window': u32(window) };
}

/** Whether each layer sees its window only, where config.json lists it. */
function listedWindows(config: Config): boolean[] | undefined {
  const kinds = config.find('layer_types');
  return Array.isArray(kinds) ? kinds.map((kind) => kind === 'sliding_attention') : undefined;
}

/** Throws CheckpointError where the layers with a window are not those that a reader of the file takes. */
export function checkWindows(config: Config, isLocal: (layer: number) => boolean): void {
  const given = listedWindows(config);
  if (given === undefined || given.every((local, layer) => local === isLocal(layer))) return;
  throw new CheckpointError(
    `${config.path}: "layer_types" has sliding windows in other layers than is usual, which GGUF cannot say`,
  );
}

/** A row of metadata where config.json has the value. */
export const optionalF32 = (key: string, value: number | undefined): Record<string, WritableValue> =>
  value === undefined ? {} : { [key]: f32(value) };

export const interleaveQ: Change = (rows, { config }) => interleaveHeads(rows, headCount(config));
export const interleaveK: Change = (rows, { config }) => interleaveHeads(rows, kvHeadCount(config));

/** Embedding, last norm and head of a decoder. */
export const OUTER: readonly TensorRule[] = [
  ['embed_tokens.weight', 'token_embd.weight'],
  ['norm.weight', 'output_norm.weight'],
  ['lm_head.weight?', 'output.weight'],
];

/** Attention with separate matrices; `change` reorders q and k where the rotation asks for it. */
export function attentionTensors(change: { q?: Change; k?: Change } = {}): TensorRule[] {
  return [
    ['layers.{}.self_attn.q_proj.weight', 'blk.{}.attn_q.weight', change.q],
    ['layers.{}.self_attn.q_proj.bias?', 'blk.{}.attn_q.bias', change.q],
    ['layers.{}.self_attn.k_proj.weight', 'blk.{}.attn_k.weight', change.k],
    ['layers.{}.self_attn.k_proj.bias?', 'blk.{}.attn_k.bias', change.k],
    ['layers.{}.self_attn.v_proj.weight', 'blk.{}.attn_v.weight'],
    ['layers.{}.self_attn.v_proj.bias?', 'blk.{}.attn_v.bias'],
    ['layers.{}.self_attn.o_proj.weight', 'blk.{}.attn_output.weight'],
    ['layers.{}.self_attn.o_proj.bias?', 'blk.{}.attn_output.bias'],
  ];
}

/** Gated feed-forward. */
export const FEED_FORWARD: readonly TensorRule[] = [
  ['layers.{}.mlp.gate_proj.weight', 'blk.{}.ffn_gate.weight'],
  ['layers.{}.mlp.up_proj.weight', 'blk.{}.ffn_up.weight'],
  ['layers.{}.mlp.down_proj.weight', 'blk.{}.ffn_down.weight'],
];

/** A norm before attention and one before the feed-forward. */
export const TWO_NORMS: readonly TensorRule[] = [
  ['layers.{}.input_layernorm.weight', 'blk.{}.attn_norm.weight'],
  ['layers.{}.post_attention_layernorm.weight', 'blk.{}.ffn_norm.weight'],
];

export const HEAD_NORMS: readonly TensorRule[] = [
  ['layers.{}.self_attn.q_norm.weight', 'blk.{}.attn_q_norm.weight'],
  ['layers.{}.self_attn.k_norm.weight', 'blk.{}.attn_k_norm.weight'],
];

/** Weight and bias of one layer: most of the older models have both everywhere. */
export function withBias(from: string, to: string, change?: Change): TensorRule[] {
  return [
    [`${from}.weight`, `${to}.weight`, change],
    [`${from}.bias`, `${to}.bias`, change],
  ];
}
