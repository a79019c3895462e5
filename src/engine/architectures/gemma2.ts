import type { Architecture } from './types.ts';

/**
 * As Gemma, with norms before and after each block, capped attention scores and logits, and every other layer,
 * from the first, seeing a sliding window (arXiv:2408.00118). The weights of the norms in a GGUF file already
 * hold 1 + w.
 */
export const gemma2: Architecture = {
  name: 'gemma2',
  models: 'Gemma 2',
  rope: 'neox',
  activation: 'gelu',
  scaledEmbedding: true,
  isLocal: (layer) => layer % 2 === 0,
  // The 27B model, known by its 46 layers, scales by width / heads; GGUF has no key for it.
  softmaxScale: ({ width, headWidth, heads, layers }) => (layers === 46 ? width / heads : headWidth) ** -0.5,
};
