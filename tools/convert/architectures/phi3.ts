import { longRopeFactors, longRopeMetadata, ropeMetadata } from '../rope.ts';
import type { Config } from '../config.ts';
import {
  attention,
  DECODER,
  headWidth,
  MODEL_PREFIXES,
  OUTER,
  SILU,
  slidingWindow,
  TWO_NORMS,
} from './common.ts';
import type { Conversion } from './types.ts';

/** Phi 4 mini rotates three quarters of a head. */
function rotary(config: Config): number {
  const part = config.findNumber('partial_rotary_factor') ?? 1;
  return Math.round(headWidth(config) * part);
}

/** Phi 3 and 4: q, k and v in one matrix, gate and up in another, in GGUF as in the checkpoint. */
export const phi3: Conversion = {
  name: 'phi3',
  classes: ['Phi3ForCausalLM'],
  prefixes: MODEL_PREFIXES,
  activations: SILU,
  fields: DECODER,
  metadata: (config) => ({
    ...attention(config),
    ...slidingWindow(config),
    ...ropeMetadata(config, rotary(config)),
    ...longRopeMetadata(config),
  }),
  made: (config) => longRopeFactors(config, rotary(config)),
  tensors: [
    ...OUTER,
    ...TWO_NORMS,
    ['layers.{}.self_attn.qkv_proj.weight', 'blk.{}.attn_qkv.weight'],
    ['layers.{}.self_attn.o_proj.weight', 'blk.{}.attn_output.weight'],
    ['layers.{}.mlp.gate_up_proj.weight', 'blk.{}.ffn_up.weight'],
    ['layers.{}.mlp.down_proj.weight', 'blk.{}.ffn_down.weight'],
  ],
};
