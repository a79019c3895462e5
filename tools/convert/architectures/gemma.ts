import { CheckpointError } from '../../../src/errors.ts';
import { f32, u32 } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { ropeMetadata } from '../rope.ts';
import { addOne } from '../transforms.ts';
import {
  attention,
  attentionTensors,
  checkWindows,
  DECODER,
  FEED_FORWARD,
  GELU_TANH,
  HEAD_NORMS,
  headWidth,
  MODEL_PREFIXES,
  optionalF32,
  OUTER,
  TWO_NORMS,
} from './common.ts';
import type { Conversion, TensorRule } from './types.ts';

/** Checkpoints keep the weights of norms as w, GGUF as 1 + w. */
const normsPlusOne = (rules: readonly TensorRule[]): TensorRule[] =>
  rules.map(([from, to]) => [from, to, to.includes('norm') ? addOne : undefined]);

const FOUR_NORMS: readonly TensorRule[] = [
  ['layers.{}.input_layernorm.weight', 'blk.{}.attn_norm.weight'],
  ['layers.{}.post_attention_layernorm.weight', 'blk.{}.post_attention_norm.weight'],
  ['layers.{}.pre_feedforward_layernorm.weight', 'blk.{}.ffn_norm.weight'],
  ['layers.{}.post_feedforward_layernorm.weight', 'blk.{}.post_ffw_norm.weight'],
];

const base = {
  prefixes: MODEL_PREFIXES,
  // The first configurations say `gelu` and mean the other: Google's own code has tanh.
  activations: [...GELU_TANH, 'gelu'],
  fields: DECODER,
  metadata: (config: Config) => ({ ...attention(config), ...ropeMetadata(config, headWidth(config)) }),
  // Gemma 3 that sees: its picture encoder is no part of the language model.
  ignored: () => /vision_tower|multi_modal_projector|vision_model/,
  tied: true,
};

/** The factor on attention scores, where it is not 1 / sqrt(head width) and the reader cannot know it. */
function attentionScale(config: Config): Record<string, ReturnType<typeof f32>> {
  const scalar = config.findNumber('query_pre_attn_scalar');
  return scalar === undefined || scalar === headWidth(config)
    ? {}
    : { 'attention.scale': f32(scalar ** -0.5) };
}

function checkGemma3(config: Config): void {
  checkWindows(config, (layer) => layer % 6 < 5);
  if ((config.findCount('sliding_window_pattern') ?? 6) !== 6 || config.flag('use_bidirectional_attention')) {
    throw new CheckpointError(
      `${config.path}: Gemma 3 that sees later tokens (EmbeddingGemma) or has other windows than 5 of 6 is not supported`,
    );
  }
}

export const gemma: Conversion = {
  ...base,
  name: 'gemma',
  classes: ['GemmaForCausalLM', 'GemmaModel'],
  tensors: normsPlusOne([...OUTER, ...TWO_NORMS, ...attentionTensors(), ...FEED_FORWARD]),
};

export const gemma2: Conversion = {
  ...base,
  name: 'gemma2',
  classes: ['Gemma2ForCausalLM', 'Gemma2Model'],
  check: (config) => checkWindows(config, (layer) => layer % 2 === 0),
  metadata: (config) => ({
    ...base.metadata(config),
    ...attentionScale(config),
    ...optionalF32('attn_logit_softcapping', config.findNumber('attn_logit_softcapping')),
    ...optionalF32('final_logit_softcapping', config.findNumber('final_logit_softcapping')),
    'attention.sliding_window': u32(config.count('sliding_window')),
  }),
  tensors: normsPlusOne([...OUTER, ...FOUR_NORMS, ...attentionTensors(), ...FEED_FORWARD]),
};

export const gemma3: Conversion = {
  ...base,
  name: 'gemma3',
  classes: ['Gemma3ForCausalLM', 'Gemma3TextModel', 'Gemma3ForConditionalGeneration'],
  check: checkGemma3,
  // The configurations of models that also see leave out what is usual.
  defaults: {
    max_position_embeddings: 131072,
    vocab_size: 262208,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    rope_local_base_freq: 1e4,
  },
  metadata: (config) => ({
    ...base.metadata(config),
    ...attentionScale(config),
    ...optionalF32('final_logit_softcapping', config.findNumber('final_logit_softcapping')),
    'attention.sliding_window': u32(config.count('sliding_window')),
    'rope.freq_base_swa': f32(localTheta(config)),
  }),
  tensors: normsPlusOne([...OUTER, ...FOUR_NORMS, ...attentionTensors(), ...HEAD_NORMS, ...FEED_FORWARD]),
};

/** The rotation's base in layers with a window. */
function localTheta(config: Config): number {
  const local = config.findConfig('rope_parameters')?.findConfig('sliding_attention');
  return local?.findNumber('rope_theta') ?? config.number('rope_local_base_freq');
}
