import type { Architecture } from './types.ts';

/**
 * Qwen 2 with experts and one shared expert, which every token goes through and whose part in the sum a gate of its own
 * decides: `ffn_gate_inp_shexp` (arXiv:2407.10671).
 */
export const qwen2moe: Architecture = {
  name: 'qwen2moe',
  models: 'Qwen1.5-MoE A2.7B, Qwen2 57B-A14B',
  rope: 'neox',
  activation: 'silu',
};
