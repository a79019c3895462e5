import type { Architecture } from './types.ts';

/**
 * As Llama, with q, k and v in one tensor and gate and up in another (arXiv:2404.14219); long contexts have
 * rotation factors of their own (LongRoPE).
 */
export const phi3: Architecture = {
  name: 'phi3',
  models: 'Phi 3, Phi 3.5 mini, Phi 4',
  rope: 'neox',
  activation: 'silu',
};
