import type { Architecture } from './types.ts';

/** Qwen 3: no biases, a norm on each head of q and k instead (arXiv:2505.09388). */
export const qwen3: Architecture = { name: 'qwen3', rope: 'neox', activation: 'silu' };
