import type { Architecture } from './types.ts';

/**
 * Encoders: every token sees all others, norms come after the blocks (arXiv:1810.04805). DistilBERT is one without
 * token types (arXiv:1910.01108), and has this name too, as in llama.cpp.
 */
export const bert: Architecture = {
  name: 'bert',
  models: 'BERT, DistilBERT, MiniLM, BGE, E5',
  rope: 'none',
  activation: 'gelu-erf',
  norm: 'layer',
  encoder: true,
};
