import { findNumber } from '../../gguf/metadata.ts';
import type { Architecture } from './types.ts';

/**
 * As Gemma 2 without the caps, with norms on heads; of six layers five see a sliding window and rotate with a
 * base of their own (arXiv:2503.19786). The weights of the norms in a GGUF file already hold 1 + w.
 */
export const gemma3: Architecture = {
  name: 'gemma3',
  models: 'Gemma 3 (text)',
  rope: 'neox',
  activation: 'gelu',
  scaledEmbedding: true,
  isLocal: (layer) => layer % 6 < 5,
  localRopeBase: (metadata) => findNumber(metadata, 'gemma3.rope.freq_base_swa') ?? 10000,
  // The 27B model, known by its 62 layers, scales by width / heads; GGUF has no key for it.
  softmaxScale: ({ width, headWidth, heads, layers }) => (layers === 62 ? width / heads : headWidth) ** -0.5,
};
