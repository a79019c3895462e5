import type { Architecture } from './types.ts';

/** As Qwen 2 without biases, with a norm on each head of q and k instead (arXiv:2505.09388). */
export const qwen3: Architecture = { name: 'qwen3', models: 'Qwen 3', rope: 'neox', activation: 'silu' };
