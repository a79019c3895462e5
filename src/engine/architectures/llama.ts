import type { Architecture } from './types.ts';

/**
 * RMSNorm, rotary pairs side by side, SwiGLU (arXiv:2302.13971). A sliding window, as Mistral 7B v0.1 was trained
 * with (arXiv:2310.06825), is kept where the file names one; Mixtral is this with experts (arXiv:2401.04088).
 */
export const llama: Architecture = {
  name: 'llama',
  models: 'Llama 1 to 3.3, Mistral, Mixtral, SmolLM2, TinyLlama',
  rope: 'normal',
  activation: 'silu',
  normalizedExperts: true,
};
