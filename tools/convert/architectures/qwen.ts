import { CheckpointError } from '../../../src/errors.ts';
import { u32, type WritableValue } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { ropeMetadata } from '../rope.ts';
import { vector } from '../transforms.ts';
import {
  attention,
  attentionTensors,
  checkWindows,
  DECODER,
  expertCount,
  FEED_FORWARD,
  HEAD_NORMS,
  headWidth,
  layerCount,
  MODEL_PREFIXES,
  OUTER,
  SILU,
  slidingWindow,
  TWO_NORMS,
} from './common.ts';
import type { Conversion, TensorRule } from './types.ts';

/**
 * The window is off in all published models. Where it is on it concerns layers from max_window_layers on, and GGUF can
 * say it of all layers only.
 */
const hasWindow = (config: Config): boolean =>
  config.flag('use_sliding_window') && (config.findNumber('max_window_layers') ?? 0) < layerCount(config);

function check(config: Config): void {
  checkWindows(config, () => hasWindow(config));
  const from = config.findNumber('max_window_layers') ?? 0;
  if (hasWindow(config) && from > 0) {
    throw new CheckpointError(
      `${config.path}: a sliding window in layers from ${from} on ("max_window_layers") is not supported`,
    );
  }
}

const base = {
  prefixes: MODEL_PREFIXES,
  activations: SILU,
  check,
  fields: DECODER,
  metadata: (config: Config) => ({
    ...attention(config),
    ...ropeMetadata(config, headWidth(config)),
    ...(hasWindow(config) ? slidingWindow(config) : {}),
  }),
};

/** Every layer must have experts: GGUF has no keys for other patterns. */
function checkExperts(config: Config): void {
  check(config);
  const dense = config.find('mlp_only_layers') ?? [];
  if ((config.findCount('decoder_sparse_step') ?? 1) > 1 || !Array.isArray(dense) || dense.length > 0) {
    throw new CheckpointError(
      `${config.path}: layers without experts ("decoder_sparse_step", "mlp_only_layers") are not supported`,
    );
  }
}

const experts = (config: Config): Record<string, WritableValue> => ({
  expert_count: u32(expertCount(config)),
  expert_used_count: u32(config.count('num_experts_per_tok')),
  expert_feed_forward_length: u32(config.count('moe_intermediate_size')),
  expert_weights_norm: config.flag('norm_topk_prob'),
});

const EXPERTS: readonly TensorRule[] = [
  ['layers.{}.mlp.gate.weight', 'blk.{}.ffn_gate_inp.weight'],
  ['layers.{}.mlp.experts.{e}.gate_proj.weight', 'blk.{}.ffn_gate_exps.weight'],
  ['layers.{}.mlp.experts.{e}.up_proj.weight', 'blk.{}.ffn_up_exps.weight'],
  ['layers.{}.mlp.experts.{e}.down_proj.weight', 'blk.{}.ffn_down_exps.weight'],
];

export const qwen2: Conversion = {
  ...base,
  name: 'qwen2',
  classes: ['Qwen2ForCausalLM', 'Qwen2Model'],
  tensors: [...OUTER, ...TWO_NORMS, ...attentionTensors(), ...FEED_FORWARD],
};

/** Qwen 1.5 and 2 with experts, and a shared one behind a gate that is one row. */
export const qwen2moe: Conversion = {
  ...base,
  name: 'qwen2moe',
  classes: ['Qwen2MoeForCausalLM'],
  check: checkExperts,
  metadata: (config) => ({
    ...base.metadata(config),
    ...experts(config),
    expert_shared_feed_forward_length: u32(config.count('shared_expert_intermediate_size')),
  }),
  tensors: [
    ...OUTER,
    ...TWO_NORMS,
    ...attentionTensors(),
    ...EXPERTS,
    ['layers.{}.mlp.shared_expert_gate.weight', 'blk.{}.ffn_gate_inp_shexp.weight', vector],
    ['layers.{}.mlp.shared_expert.gate_proj.weight', 'blk.{}.ffn_gate_shexp.weight'],
    ['layers.{}.mlp.shared_expert.up_proj.weight', 'blk.{}.ffn_up_shexp.weight'],
    ['layers.{}.mlp.shared_expert.down_proj.weight', 'blk.{}.ffn_down_shexp.weight'],
  ],
};

export const qwen3: Conversion = {
  ...base,
  name: 'qwen3',
  classes: ['Qwen3ForCausalLM', 'Qwen3Model'],
  tensors: [...OUTER, ...TWO_NORMS, ...attentionTensors(), ...HEAD_NORMS, ...FEED_FORWARD],
};

export const qwen3moe: Conversion = {
  ...base,
  name: 'qwen3moe',
  classes: ['Qwen3MoeForCausalLM'],
  check: checkExperts,
  metadata: (config) => ({ ...base.metadata(config), ...experts(config) }),
  tensors: [...OUTER, ...TWO_NORMS, ...attentionTensors(), ...HEAD_NORMS, ...EXPERTS],
};
