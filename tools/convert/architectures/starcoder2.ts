import { ropeMetadata } from '../rope.ts';
import {
  attention,
  attentionTensors,
  GELU_TANH,
  headWidth,
  MODEL_PREFIXES,
  SIZES,
  slidingWindow,
  withBias,
} from './common.ts';
import type { Conversion } from './types.ts';

export const starcoder2: Conversion = {
  name: 'starcoder2',
  classes: ['Starcoder2ForCausalLM', 'Starcoder2Model'],
  prefixes: MODEL_PREFIXES,
  activations: GELU_TANH,
  fields: [
    ...SIZES,
    ['feed_forward_length', 'u32', 'intermediate_size'],
    ['attention.layer_norm_epsilon', 'f32', 'norm_epsilon'],
    ['vocab_size', 'u32', 'vocab_size'],
  ],
  metadata: (config) => ({
    ...attention(config),
    ...slidingWindow(config),
    ...ropeMetadata(config, headWidth(config)),
  }),
  tensors: [
    ['embed_tokens.weight', 'token_embd.weight'],
    ...withBias('norm', 'output_norm'),
    ['lm_head.weight?', 'output.weight'],
    ...withBias('layers.{}.input_layernorm', 'blk.{}.attn_norm'),
    ...attentionTensors(),
    ...withBias('layers.{}.post_attention_layernorm', 'blk.{}.ffn_norm'),
    ...withBias('layers.{}.mlp.c_fc', 'blk.{}.ffn_up'),
    ...withBias('layers.{}.mlp.c_proj', 'blk.{}.ffn_down'),
  ],
  tied: true,
};
