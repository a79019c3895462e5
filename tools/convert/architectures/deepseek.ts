import { CheckpointError } from '../../../src/errors.ts';
import { f32, u32, type WritableValue } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { ropeMetadata } from '../rope.ts';
import {
  attention,
  attentionTensors,
  DECODER,
  expertCount,
  FEED_FORWARD,
  headWidth,
  interleaveK,
  interleaveQ,
  MODEL_PREFIXES,
  OUTER,
  SILU,
  TWO_NORMS,
} from './common.ts';
import type { Conversion, TensorRule } from './types.ts';

/** Experts, those that all tokens share, and the dense layers before the first with experts. */
export function experts(config: Config): Record<string, WritableValue> {
  return {
    leading_dense_block_count: u32(config.findNumber('first_k_dense_replace') ?? 0),
    expert_count: u32(expertCount(config)),
    expert_used_count: u32(config.count('num_experts_per_tok')),
    expert_shared_count: u32(config.findNumber('n_shared_experts') ?? 0),
    expert_feed_forward_length: u32(config.count('moe_intermediate_size')),
    expert_weights_scale: f32(config.findNumber('routed_scaling_factor') ?? 1),
    expert_weights_norm: config.flag('norm_topk_prob'),
  };
}

export function check(config: Config): void {
  if ((config.findCount('moe_layer_freq') ?? 1) === 1) return;
  throw new CheckpointError(
    `${config.path}: layers without experts behind the first with them ("moe_layer_freq") are not supported`,
  );
}

const optional = (rules: readonly TensorRule[]): TensorRule[] =>
  rules.map(([from, to, change]) => [`${from}?`, to, change]);

export const EXPERTS: readonly TensorRule[] = [
  ...optional(FEED_FORWARD),
  ['layers.{}.mlp.gate.weight?', 'blk.{}.ffn_gate_inp.weight'],
  ['layers.{}.mlp.gate.e_score_correction_bias?', 'blk.{}.exp_probs_b.bias'],
  ['layers.{}.mlp.experts.{e}.gate_proj.weight?', 'blk.{}.ffn_gate_exps.weight'],
  ['layers.{}.mlp.experts.{e}.up_proj.weight?', 'blk.{}.ffn_up_exps.weight'],
  ['layers.{}.mlp.experts.{e}.down_proj.weight?', 'blk.{}.ffn_down_exps.weight'],
  ['layers.{}.mlp.shared_experts.gate_proj.weight?', 'blk.{}.ffn_gate_shexp.weight'],
  ['layers.{}.mlp.shared_experts.up_proj.weight?', 'blk.{}.ffn_up_shexp.weight'],
  ['layers.{}.mlp.shared_experts.down_proj.weight?', 'blk.{}.ffn_down_shexp.weight'],
];

/** DeepSeek MoE, the first: Llama's attention. */
export const deepseek: Conversion = {
  name: 'deepseek',
  classes: ['DeepseekForCausalLM'],
  prefixes: MODEL_PREFIXES,
  activations: SILU,
  check,
  fields: DECODER,
  metadata: (config) => ({
    ...attention(config),
    ...ropeMetadata(config, headWidth(config)),
    ...experts(config),
  }),
  tensors: [...OUTER, ...TWO_NORMS, ...attentionTensors({ q: interleaveQ, k: interleaveK }), ...EXPERTS],
};
