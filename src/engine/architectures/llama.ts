import type { Architecture } from './types.ts';

/** Llama 1 to 3.2, Mistral 7B, SmolLM2, TinyLlama: RMSNorm, rotary pairs side by side, SwiGLU (arXiv:2302.13971); Mixtral. */
export const llama: Architecture = {
  name: 'llama',
  rope: 'normal',
  activation: 'silu',
  normalizedExperts: true,
};
