import type { Architecture } from './types.ts';

/** Learned positions, LayerNorm, biases everywhere, fused qkv, feed-forward without a gate (Radford et al., 2019). */
export const gpt2: Architecture = {
  name: 'gpt2',
  models: 'GPT-2, DistilGPT2',
  rope: 'none',
  activation: 'gelu',
  norm: 'layer',
};
