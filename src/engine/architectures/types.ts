import type { GgufTensor } from '../../gguf/types.ts';
import type { Metadata } from '../../gguf/metadata.ts';

/**
 * An architecture as a description: what its GGUF metadata and tensor names leave open. Everything else
 * (sizes, biases, head norms, norms after a block, tied embeddings, rope factors) is read from the file.
 */
export interface Architecture {
  /** `general.architecture`. */
  name: string;
  /** Which values of a head rotate together: (2i, 2i + 1) or (i, i + n/2). */
  rope: 'normal' | 'neox';
  activation: 'silu' | 'gelu';
  /** Embeddings are multiplied by sqrt(width). */
  scaledEmbedding?: boolean;
  /** Layer i sees only the sliding window, where the file has one; default: all layers do. */
  isLocal?: (layer: number) => boolean;
  /** Local layers rotate with this base and without scaling. */
  localRopeBase?: (metadata: Metadata) => number;
}

/** How positions become angles: inverse frequencies per pair, and a factor on cos and sin. */
export interface Rope {
  /** How many values of a head are rotated. */
  rotary: number;
  /** Angle per position, one per pair. */
  frequencies: Float64Array;
  magnitude: number;
}

export interface LayerSpec {
  index: number;
  heads: number;
  kvHeads: number;
  feedForward: number;
  /** Positions a token sees, itself included; 0: all. */
  window: number;
  /** Index into ModelSpec.ropes. */
  rope: number;
}

/** A model as the compiler of programs needs it. */
export interface ModelSpec {
  architecture: Architecture;
  width: number;
  vocabulary: number;
  trainedContext: number;
  headWidth: number;
  valueWidth: number;
  epsilon: number;
  softmaxScale: number;
  embeddingScale: number;
  ropes: Rope[];
  layers: LayerSpec[];
  tensors: ReadonlyMap<string, GgufTensor>;
}
