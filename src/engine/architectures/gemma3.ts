import { findNumber } from '../../gguf/metadata.ts';
import type { Architecture } from './types.ts';

/**
 * Gemma 3: norms before and after each block, norms on heads, GeGLU, embeddings times sqrt(width); of six
 * layers five see a sliding window and rotate with a base of their own (arXiv:2503.19786). The weights of
 * the norms in a GGUF file already hold 1 + w.
 */
export const gemma3: Architecture = {
  name: 'gemma3',
  rope: 'neox',
  activation: 'gelu',
  scaledEmbedding: true,
  isLocal: (layer) => layer % 6 < 5,
  localRopeBase: (metadata) => findNumber(metadata, 'gemma3.rope.freq_base_swa') ?? 10000,
};
