import type { Architecture } from './types.ts';

/** LayerNorm, biases everywhere, feed-forward without a gate (arXiv:2402.19173). */
export const starcoder2: Architecture = {
  name: 'starcoder2',
  models: 'StarCoder 2',
  rope: 'neox',
  activation: 'gelu',
  norm: 'layer',
};
