import { u32 } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { ropeMetadata } from '../rope.ts';
import {
  attention,
  attentionTensors,
  DECODER,
  FEED_FORWARD,
  HEAD_NORMS,
  headWidth,
  MODEL_PREFIXES,
  OUTER,
  TWO_NORMS,
} from './common.ts';
import type { Conversion } from './types.ts';

/** The window of Qwen 2 and 3 concerns layers from max_window_layers on and is off in all published models. */
const base = {
  prefixes: MODEL_PREFIXES,
  fields: DECODER,
  metadata: (config: Config) => ({ ...attention(config), ...ropeMetadata(config, headWidth(config)) }),
};

export const qwen2: Conversion = {
  ...base,
  name: 'qwen2',
  classes: ['Qwen2ForCausalLM', 'Qwen2Model'],
  tensors: [...OUTER, ...TWO_NORMS, ...attentionTensors(), ...FEED_FORWARD],
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
  metadata: (config) => ({
    ...base.metadata(config),
    expert_count: u32(config.count('num_experts', 'num_local_experts')),
    expert_used_count: u32(config.count('num_experts_per_tok')),
    expert_feed_forward_length: u32(config.count('moe_intermediate_size')),
  }),
  tensors: [
    ...OUTER,
    ...TWO_NORMS,
    ...attentionTensors(),
    ...HEAD_NORMS,
    ['layers.{}.mlp.gate.weight', 'blk.{}.ffn_gate_inp.weight'],
    ['layers.{}.mlp.experts.{e}.gate_proj.weight', 'blk.{}.ffn_gate_exps.weight'],
    ['layers.{}.mlp.experts.{e}.up_proj.weight', 'blk.{}.ffn_up_exps.weight'],
    ['layers.{}.mlp.experts.{e}.down_proj.weight', 'blk.{}.ffn_down_exps.weight'],
  ],
};
