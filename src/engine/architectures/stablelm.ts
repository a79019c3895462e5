import type { Architecture } from './types.ts';

/** As Llama with LayerNorm and a quarter of each head rotated (arXiv:2402.17834). */
export const stablelm: Architecture = {
  name: 'stablelm',
  models: 'StableLM 3B, StableLM 2 1.6B, Zephyr 3B',
  rope: 'neox',
  activation: 'silu',
  norm: 'layer',
};
