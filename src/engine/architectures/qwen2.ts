import type { Architecture } from './types.ts';

/** As Llama, with biases on q, k and v and rotary pairs half a head apart (arXiv:2407.10671). */
export const qwen2: Architecture = {
  name: 'qwen2',
  models: 'Qwen 2, Qwen 2.5, DeepSeek R1 Distill Qwen',
  rope: 'neox',
  activation: 'silu',
};
