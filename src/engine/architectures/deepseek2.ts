import type { Architecture } from './types.ts';

/**
 * DeepSeek V2 and V3, Kimi K2: latent attention, fine-grained and shared experts behind one plain layer or more, which
 * the router may choose from a few groups only (arXiv:2405.04434, arXiv:2412.19437).
 */
export const deepseek2: Architecture = {
  name: 'deepseek2',
  models: 'DeepSeek V2, V2 Lite, V3 and R1, Kimi K2',
  rope: 'normal',
  activation: 'silu',
};
