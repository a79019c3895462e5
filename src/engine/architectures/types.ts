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
  /** The weights of a token's experts add up to 1, where the file does not say; default: as the scores are. */
  normalizedExperts?: boolean;
}

/** How positions become angles: inverse frequencies per pair, and a factor on cos and sin. */
export interface Rope {
  /** How many values of a head are rotated. */
  rotary: number;
  /** Angle per position, one per pair. */
  frequencies: Float64Array;
  magnitude: number;
}

/** The routed and shared experts of a feed-forward layer. */
export interface ExpertSpec {
  count: number;
  /** Experts that a token goes through. */
  used: number;
  /** Hidden values of one expert, and of all shared experts together (0: none). */
  feedForward: number;
  shared: number;
  /** How the router's logits become scores: over all experts together, or each on its own. */
  scoring: 'softmax' | 'sigmoid';
  /** The weights of a token's experts are divided by their sum. */
  normalized: boolean;
  /** They are multiplied by this. */
  scale: number;
  /** Only the experts of the best `groupsUsed` of `groups` groups of neighbours are eligible; 0 groups: all are. */
  groups: number;
  groupsUsed: number;
}

export interface LayerSpec {
  index: number;
  heads: number;
  kvHeads: number;
  feedForward: number;
  /** Instead of one feed-forward block. */
  experts?: ExpertSpec;
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
