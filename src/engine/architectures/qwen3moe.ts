import type { Architecture } from './types.ts';

/** Qwen 3 with experts in every layer, their weights normalised (arXiv:2505.09388). */
export const qwen3moe: Architecture = {
  name: 'qwen3moe',
  models: 'Qwen 3 MoE',
  rope: 'neox',
  activation: 'silu',
  normalizedExperts: true,
};
