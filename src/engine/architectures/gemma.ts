import type { Architecture } from './types.ts';

/** GeGLU, embeddings times sqrt(width), heads wider than width / heads (arXiv:2403.08295). */
export const gemma: Architecture = {
  name: 'gemma',
  models: 'Gemma 1, CodeGemma',
  rope: 'neox',
  activation: 'gelu',
  scaledEmbedding: true,
};
