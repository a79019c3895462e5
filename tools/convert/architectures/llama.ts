import { u32 } from '../../../src/gguf/writable.ts';
import type { Config } from '../config.ts';
import { llama3Factors, ropeMetadata } from '../rope.ts';
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
  slidingWindow,
  TWO_NORMS,
} from './common.ts';
import type { Conversion } from './types.ts';

const base = {
  prefixes: MODEL_PREFIXES,
  activations: SILU,
  fields: DECODER,
  metadata: (config: Config) => ({
    ...attention(config),
    ...slidingWindow(config),
    ...ropeMetadata(config, headWidth(config)),
  }),
  made: (config: Config) => llama3Factors(config, headWidth(config)),
};

/** Llama and Mistral: GGUF's `llama` rotates pairs side by side, so q and k change their order. */
export const llama: Conversion = {
  ...base,
  name: 'llama',
  classes: ['LlamaForCausalLM', 'MistralForCausalLM', 'LlamaModel', 'MistralModel'],
  tensors: [
    ...OUTER,
    ...TWO_NORMS,
    ...attentionTensors({ q: interleaveQ, k: interleaveK }),
    ...FEED_FORWARD,
    ['layers.{}.mlp.gate_proj.bias?', 'blk.{}.ffn_gate.bias'],
    ['layers.{}.mlp.up_proj.bias?', 'blk.{}.ffn_up.bias'],
    ['layers.{}.mlp.down_proj.bias?', 'blk.{}.ffn_down.bias'],
  ],
};

/** Mixtral: Llama with several feed-forwards per layer. */
export const mixtral: Conversion = {
  ...base,
  name: 'llama',
  classes: ['MixtralForCausalLM'],
  metadata: (config) => ({
    ...base.metadata(config),
    expert_count: u32(expertCount(config)),
    expert_used_count: u32(config.count('num_experts_per_tok')),
  }),
  tensors: [
    ...OUTER,
    ...TWO_NORMS,
    ...attentionTensors({ q: interleaveQ, k: interleaveK }),
    ['layers.{}.block_sparse_moe.gate.weight', 'blk.{}.ffn_gate_inp.weight'],
    ['layers.{}.block_sparse_moe.experts.{e}.w1.weight', 'blk.{}.ffn_gate_exps.weight'],
    ['layers.{}.block_sparse_moe.experts.{e}.w2.weight', 'blk.{}.ffn_down_exps.weight'],
    ['layers.{}.block_sparse_moe.experts.{e}.w3.weight', 'blk.{}.ffn_up_exps.weight'],
  ],
};
