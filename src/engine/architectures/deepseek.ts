import type { Architecture } from './types.ts';

/** DeepSeekMoE: fine-grained and shared experts behind one plain layer or more (arXiv:2401.06066). */
export const deepseek: Architecture = {
  name: 'deepseek',
  models: 'DeepSeekMoE 16B',
  rope: 'normal',
  activation: 'silu',
};
