import { f32, u32, type WritableValue } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { ropeConfig, ropeMetadata } from '../rope.ts';
import { sliceRows, stack, transpose } from '../transforms.ts';
import { DECODER, headCount, layerCount, MODEL_PREFIXES, OUTER, SILU, TWO_NORMS } from './common.ts';
import { check, experts, EXPERTS } from './deepseek.ts';
import type { Change, Conversion } from './types.ts';

/** kv_b holds, head by head, rows that make keys and rows that make values. */
const headParts = (part: 'keys' | 'values'): Change => {
  return (rows, { config }) => {
    const keys = config.count('qk_nope_head_dim');
    const values = config.count('v_head_dim');
    const heads = Array.from({ length: headCount(config) }, (_, head) => head * (keys + values));
    return part === 'keys'
      ? stack(heads.map((from) => transpose(sliceRows(rows, from, keys))))
      : stack(heads.map((from) => sliceRows(rows, from + keys, values)));
  };
};

/**
 * DeepSeek V2: multi-head latent attention (arXiv:2405.04434) in its absorbed form, in which all heads share
 * one compressed key.
 */
export const deepseek2: Conversion = {
  name: 'deepseek2',
  classes: ['DeepseekV2ForCausalLM'],
  prefixes: MODEL_PREFIXES,
  activations: SILU,
  check,
  fields: [
    ...DECODER,
    ['attention.q_lora_rank?', 'u32', 'q_lora_rank'],
    ['attention.kv_lora_rank', 'u32', 'kv_lora_rank'],
  ],
  metadata: (config) => {
    const rank = config.count('kv_lora_rank');
    const rotary = config.count('qk_rope_head_dim');
    const scaling = ropeConfig(config)?.findNumber('mscale_all_dim');
    return {
      'attention.head_count_kv': u32(1),
      'attention.key_length': u32(rank + rotary),
      'attention.value_length': u32(rank),
      'attention.key_length_mla': u32(config.count('qk_nope_head_dim') + rotary),
      'attention.value_length_mla': u32(config.count('v_head_dim')),
      ...experts(config),
      expert_gating_func: u32(config.findString('scoring_func') === 'sigmoid' ? 2 : 1),
      ...groups(config),
      // Readers that know mscale_all_dim scale the scores instead of cos and sin.
      ...ropeMetadata(config, rotary, scaling === undefined ? undefined : () => 1),
      ...(scaling === undefined ? {} : { 'rope.scaling.yarn_log_multiplier': f32(0.1 * scaling) }),
    };
  },
  tensors: [
    ...OUTER,
    ...TWO_NORMS,
    ['layers.{}.self_attn.q_proj.weight?', 'blk.{}.attn_q.weight'],
    ['layers.{}.self_attn.q_a_proj.weight?', 'blk.{}.attn_q_a.weight'],
    ['layers.{}.self_attn.q_a_layernorm.weight?', 'blk.{}.attn_q_a_norm.weight'],
    ['layers.{}.self_attn.q_b_proj.weight?', 'blk.{}.attn_q_b.weight'],
    ['layers.{}.self_attn.kv_a_proj_with_mqa.weight', 'blk.{}.attn_kv_a_mqa.weight'],
    ['layers.{}.self_attn.kv_a_layernorm.weight', 'blk.{}.attn_kv_a_norm.weight'],
    ['layers.{}.self_attn.kv_b_proj.weight', 'blk.{}.attn_k_b.weight', headParts('keys')],
    ['layers.{}.self_attn.kv_b_proj.weight', 'blk.{}.attn_v_b.weight', headParts('values')],
    ['layers.{}.self_attn.o_proj.weight', 'blk.{}.attn_output.weight'],
    ...EXPERTS,
  ],
  // The layer that predicts a further token comes after the model's own.
  ignored: (config) => new RegExp(`^layers\\.${layerCount(config)}\\.`),
};

/** DeepSeek V3 and R1: experts are chosen by sigmoids, which transformers knows and does not write down. */
export const deepseek3: Conversion = {
  ...deepseek2,
  classes: ['DeepseekV3ForCausalLM'],
  defaults: { scoring_func: 'sigmoid', norm_topk_prob: true },
};

function groups(config: Config): Record<string, WritableValue> {
  const count = config.findCount('n_group');
  const used = config.findCount('topk_group');
  const greedy = config.findString('topk_method') === 'greedy';
  return count === undefined || used === undefined || greedy
    ? {}
    : { expert_group_count: u32(count), expert_group_used_count: u32(used) };
}
