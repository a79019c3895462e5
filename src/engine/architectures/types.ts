import type { GgufTensor } from '../../gguf/types.ts';
import type { Metadata } from '../../gguf/metadata.ts';
import type { StaticScales } from '../static-scales.ts';

/**
 * An architecture as a description: what its GGUF metadata and tensor names leave open. Everything else (sizes,
 * biases, head norms, norms after a block, fused or separate matrices, gated feed-forward or not, learned
 * positions, tied embeddings, softcaps, rope factors) is read from the file.
 */
export interface Architecture {
  /** `general.architecture`. */
  name: string;
  /** Models it runs, for documentation and error messages. */
  models: string;
  /** Which values of a head rotate together: (2i, 2i + 1) or (i, i + n/2); none with learned positions. */
  rope: 'normal' | 'neox' | 'none';
  activation: Activation;
  /** Default: RMSNorm. */
  norm?: 'rms' | 'layer';
  /**
   * Every token sees all of its text; norms come after the blocks, and instead of logits of tokens there are hidden
   * states, and scores of classes where the file has a classifier. Default: a decoder.
   */
  encoder?: boolean;
  /** Embeddings are multiplied by sqrt(width). */
  scaledEmbedding?: boolean;
  /** Layer i sees only the sliding window, where the file has one; default: all layers do. */
  isLocal?: (layer: number) => boolean;
  /** Local layers rotate with this base and without scaling. */
  localRopeBase?: (metadata: Metadata) => number;
  /** The weights of a token's experts add up to 1, where the file does not say; default: as the scores are. */
  normalizedExperts?: boolean;
  /** Factor on attention scores where the file names none; default 1 / sqrt(headWidth). */
  softmaxScale?: (sizes: Sizes) => number;
}

/** Functions after a matmul: `gelu` is the tanh form, `gelu-erf` the defining one. */
export type Activation = 'silu' | 'gelu' | 'gelu-erf' | 'relu' | 'tanh';

/** One vector of a text: the mean of its tokens' vectors, that of its first token, or of its last. */
export type Pooling = 'mean' | 'cls' | 'last';

export interface Classifier {
  labels: string[];
  /** After the dense layer `cls`, before the scores. */
  activation: Activation;
}

export interface Sizes {
  width: number;
  headWidth: number;
  /** Of the first layer. */
  heads: number;
  layers: number;
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

/** Latent attention: queries, keys and values as projections of short vectors. */
export interface LatentSpec {
  /** Values of the vector that keys and values come from, and of the one that queries come from (0: there is none). */
  rank: number;
  queryRank: number;
  /** Values of a head's query and key that are not rotated and that are, and of its value. */
  plain: number;
  rotary: number;
  value: number;
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
  /** Index into ModelSpec.ropes; undefined: positions are in the embedding. */
  rope?: number;
}

/** A model as the compiler of programs needs it. */
export interface ModelSpec {
  architecture: Architecture;
  width: number;
  vocabulary: number;
  /** Values in a row of logits: the vocabulary, or the classes of a classifier, or none. */
  outputs: number;
  trainedContext: number;
  /** Positions that sequences hold, as asked for or by default. */
  contextSize: number;
  /** Of a head's keys and values in the cache. */
  headWidth: number;
  valueWidth: number;
  latent?: LatentSpec;
  epsilon: number;
  softmaxScale: number;
  /** Scores and logits are cap * tanh(x / cap); 0: as they are. */
  attentionSoftcap: number;
  logitSoftcap: number;
  embeddingScale: number;
  ropes: Rope[];
  layers: LayerSpec[];
  tensors: ReadonlyMap<string, GgufTensor>;
  /** Of int8 weights and their inputs. */
  scales: StaticScales;
  /** How the file wants token vectors made one; undefined: it does not say. */
  pooling?: Pooling;
  /** The head of an encoder that classifies. */
  classifier?: Classifier;
}
