import { f32, typed, u32 } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { ropeMetadata } from '../rope.ts';
import { sliceRows } from '../transforms.ts';
import { layerCount, SILU } from './common.ts';
import type { Change, Conversion } from './types.ts';

/** Apple's config gives the feed-forward's width as a factor for each layer, rounded to a multiple. */
function feedForward(config: Config): number[] {
  const width = config.count('model_dim');
  const divisor = config.findCount('ffn_dim_divisor') ?? 256;
  return config.numbers(layerCount(config), 'ffn_multipliers').map((factor) => {
    const wanted = factor * width;
    // Up to the next multiple where rounding would take away more than a tenth.
    const rounded = Math.max(divisor, Math.floor((wanted + divisor / 2) / divisor) * divisor);
    return rounded < 0.9 * wanted ? rounded + divisor : rounded;
  });
}

/** proj_1 holds gate and up, one above the other. */
const half =
  (index: number): Change =>
  (rows) =>
    sliceRows(rows, (index * rows.shape[1]!) / 2, rows.shape[1]! / 2);

/** OpenELM in Apple's layout: heads and feed-forward differ from layer to layer. */
export const openelm: Conversion = {
  name: 'openelm',
  classes: ['OpenELMForCausalLM', 'OpenELMModel'],
  prefixes: ['transformer.'],
  activations: SILU,
  fields: [
    ['context_length', 'u32', 'max_context_length'],
    ['embedding_length', 'u32', 'model_dim'],
    ['block_count', 'u32', 'num_transformer_layers'],
    ['vocab_size', 'u32', 'vocab_size'],
    ['attention.key_length', 'u32', 'head_dim'],
    ['attention.value_length', 'u32', 'head_dim'],
  ],
  metadata: (config) => ({
    'attention.head_count': typed('i32[]', config.counts(layerCount(config), 'num_query_heads')),
    'attention.head_count_kv': typed('i32[]', config.counts(layerCount(config), 'num_kv_heads')),
    feed_forward_length: typed('i32[]', feedForward(config)),
    // The checkpoint has no key for it; Apple's code says 1e-6.
    'attention.layer_norm_rms_epsilon': f32(1e-6),
    ...ropeMetadata(config, config.count('head_dim')),
    'rope.dimension_count': u32(config.count('head_dim')),
  }),
  tensors: [
    ['token_embeddings.weight', 'token_embd.weight'],
    ['norm.weight', 'output_norm.weight'],
    ['lm_head.weight?', 'output.weight'],
    ['layers.{}.attn_norm.weight', 'blk.{}.attn_norm.weight'],
    ['layers.{}.attn.qkv_proj.weight', 'blk.{}.attn_qkv.weight'],
    ['layers.{}.attn.q_norm.weight', 'blk.{}.attn_q_norm.weight'],
    ['layers.{}.attn.k_norm.weight', 'blk.{}.attn_k_norm.weight'],
    ['layers.{}.attn.out_proj.weight', 'blk.{}.attn_output.weight'],
    ['layers.{}.ffn_norm.weight', 'blk.{}.ffn_norm.weight'],
    ['layers.{}.ffn.proj_1.weight', 'blk.{}.ffn_gate.weight', half(0)],
    ['layers.{}.ffn.proj_1.weight', 'blk.{}.ffn_up.weight', half(1)],
    ['layers.{}.ffn.proj_2.weight', 'blk.{}.ffn_down.weight'],
  ],
  tied: true,
};
