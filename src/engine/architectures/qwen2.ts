import type { Architecture } from './types.ts';

/** Qwen 2 and 2.5: as Llama, with biases on q, k and v and rotary pairs half a head apart (arXiv:2407.10671). */
export const qwen2: Architecture = { name: 'qwen2', rope: 'neox', activation: 'silu' };
