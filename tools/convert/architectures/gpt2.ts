import { CheckpointError } from '../../../src/errors.ts';
import { u32 } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { transpose } from '../transforms.ts';
import { GELU_TANH, SIZES, withBias } from './common.ts';
import type { Change, Conversion, TensorRule } from './types.ts';

/** GPT-2 keeps matrices as [in, out] (its Conv1D). */
const turned: Change = (rows) => (rows.shape.length === 2 ? transpose(rows) : rows);
const linear = (from: string, to: string): TensorRule[] => withBias(`h.{}.${from}`, `blk.{}.${to}`, turned);

/** Attention that models called GPT-2 mostly do not have. */
function check(config: Config): void {
  if (config.flag('scale_attn_by_inverse_layer_idx') || !config.flag('scale_attn_weights', true)) {
    throw new CheckpointError(
      `${config.path}: scores that are scaled by layer or not at all ("scale_attn_...") are not supported`,
    );
  }
}

export const gpt2: Conversion = {
  name: 'gpt2',
  classes: ['GPT2LMHeadModel', 'GPT2Model'],
  prefixes: ['transformer.'],
  activations: GELU_TANH,
  check,
  fields: [
    ...SIZES,
    ['attention.layer_norm_epsilon', 'f32', 'layer_norm_epsilon'],
    ['vocab_size', 'u32', 'vocab_size'],
  ],
  metadata: (config) => ({
    feed_forward_length: u32(config.findCount('n_inner') ?? 4 * config.count('n_embd')),
  }),
  tensors: [
    ['wte.weight', 'token_embd.weight'],
    ['wpe.weight', 'position_embd.weight'],
    ...withBias('ln_f', 'output_norm'),
    ['lm_head.weight?', 'output.weight'],
    ...withBias('h.{}.ln_1', 'blk.{}.attn_norm'),
    ...linear('attn.c_attn', 'attn_qkv'),
    ...linear('attn.c_proj', 'attn_output'),
    ...withBias('h.{}.ln_2', 'blk.{}.ffn_norm'),
    ...linear('mlp.c_fc', 'ffn_up'),
    ...linear('mlp.c_proj', 'ffn_down'),
  ],
  // The causal mask, kept as a buffer.
  ignored: () => /\.attn\.(masked_)?bias$/,
  tied: true,
};
