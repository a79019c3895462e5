/**
 * What the engine shows to the outside: the types of the public API. Options of loading and of generating have files of
 * their own and come from here as well. See src/chat/model.ts for the implementation.
 */
import type { ByteSink } from '../gguf/sinks.ts';
import type { ByteSource } from '../gguf/types.ts';
import type { Tokenizer } from '../tokenizer/types.ts';
import type { Pooling } from './architectures/types.ts';
import type { GenerateOptions, GenerationPart } from './generate-options.ts';
import type { ActivationType, KernelVariant, KvType } from './load-options.ts';

export type { LinearKernel } from './linear.ts';
export type * from './generate-options.ts';
export type * from './load-options.ts';

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | (string & {});
  content: string;
}

/** One conversation's place in the KV cache. */
export interface Sequence {
  /** Token ids whose keys and values are in the cache. */
  readonly tokens: readonly number[];
  /** Forgets all; the pages go back to the pool. */
  clear(): void;
  dispose(): void;
}

export interface ModelInfo {
  /** The file's name or path, as the user gave it. */
  source: string;
  name: string;
  architecture: string;
  parameters: number;
  fileBytes: number;
  /** llama.cpp's name of the file type, such as `Q4_1` or `Q4_K - Medium`. */
  fileType: string;
  layers: number;
  embeddingLength: number;
  vocabularySize: number;
  /** It makes vectors of texts, or classifies them, and generates nothing. */
  encoder: boolean;
  /** The classes of a model that classifies. */
  labels?: readonly string[];
  /** How its file wants the vectors of tokens made one, where it says so. */
  pooling?: Pooling;
  trainedContext: number;
  contextSize: number;
  threads: number;
  segments: number;
  kvType: KvType;
  activations: ActivationType;
  variant: KernelVariant;
  /** Weight types, their bytes in the file and their run-time layouts, largest first. */
  weightTypes: { type: string; bytes: number; layout: string; layoutText: string }[];
  loadMs: number;
  /** Bytes of WebAssembly memory: weights, KV cache, work buffers. */
  memoryBytes: number;
  /** Bytes of weights that a single decoded token reads: of experts only those that are used. */
  bytesPerToken: number;
}

export type { Pooling } from './architectures/types.ts';

export interface EmbedOptions {
  /** How the vectors of tokens become one; default: as the file says, else their mean. */
  pooling?: Pooling | 'none';
  /** Scale each vector to length 1; default true. */
  normalize?: boolean;
  signal?: AbortSignal;
}

export interface ClassifyOptions {
  signal?: AbortSignal;
}

export interface LogitOptions {
  /** Holds `ids` afterwards. What it holds before counts with `from` alone; default: a fresh one. */
  sequence?: Sequence;
  /** Position of the first row; default 0. Of the tokens before it, those that the sequence holds are not computed again. */
  from?: number;
  signal?: AbortSignal;
}

/** The likeliest class of a text, and all of them in the model's order. */
export interface Classification {
  label: string;
  probability: number;
  scores: { label: string; logit: number; probability: number }[];
}

/** What the KV cache has saved since loading, and how full it is. */
export interface CacheStats {
  /** Tokens of all prompts, and how many of them were found in the cache. */
  promptTokens: number;
  reusedTokens: number;
  /** Pages of 64 positions: all, those that nothing has been kept in, and those kept for prompts that begin alike. */
  pages: number;
  freePages: number;
  cachedPages: number;
}

export interface ProfileRow {
  op: string;
  calls: number;
  /** Summed over workers. */
  milliseconds: number;
  macs: number;
  bytes: number;
}

/** The input of one or several matrices for a run of tokens: row i is what W multiplies at position start + i. */
export interface Observation {
  /** Names of the matrices that share this input: `blk.0.attn_q.weight`, `blk.0.attn_k.weight` ... */
  tensors: readonly string[];
  /** Columns of those matrices. */
  width: number;
  count: number;
  start: number;
  /** [count x width], row-major, f32 before any quantization: a view that is valid during the call only. */
  rows: Float32Array;
  /**
   * Of matrices of experts: how many there are, and the one that each row goes into. As many rows as a token has experts
   * follow each other; the first ones are those of position `start`.
   */
  experts?: { count: number; chosen: Int32Array };
}

export interface ObserveOptions {
  /** Also the input of the last matrix, which makes the logits; default: all but that. */
  outputs?: boolean;
  /** Also the inputs of the matrices of experts; default: all but those. */
  experts?: boolean;
  /** Called after the visits of each batch, and waited for before the next one is computed. */
  afterBatch?: () => Promise<void>;
  signal?: AbortSignal;
}

export interface Model extends AsyncDisposable {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  /** Jinja source from the file, or the fallback; undefined for a base model. */
  readonly chatTemplate: string | undefined;

  /** Raw completion. */
  generate(prompt: string | readonly number[], options?: GenerateOptions): AsyncIterable<GenerationPart>;
  /** Renders the messages with the model's template and completes the assistant's turn. */
  chat(messages: readonly ChatMessage[], options?: GenerateOptions): AsyncIterable<GenerationPart>;
  /** A conversation of its own on the shared weights. */
  createSequence(): Sequence;
  /** Logits of every position, row-major [ids.length, vocabularySize]; `onRows` streams them batch by batch. */
  logits(
    ids: readonly number[],
    options?: { sequence?: Sequence; signal?: AbortSignal },
  ): Promise<Float32Array>;
  /**
   * Logits batch by batch: rows of [n, vocabularySize] for positions start .. start + n - 1, in order, from
   * `options.from` to the last.
   */
  logitBatches(
    ids: readonly number[],
    options?: LogitOptions,
  ): AsyncIterable<{ start: number; rows: Float32Array }>;
  /**
   * Runs `ids` from position 0 and calls `visit` for every input of a matmul, layer by layer, batch by batch: for
   * statistics of activations (sums of squares, maxima, Hessians). The model must be loaded with `observe`.
   *
   * @throws UsageError when it was not; ContextOverflowError when the ids do not fit; AbortedError
   */
  observe(
    ids: readonly number[],
    visit: (observation: Observation) => void,
    options?: ObserveOptions,
  ): Promise<void>;
  /**
   * Writes what a sequence holds, keys and values included, so that it can go on later without computing them again:
   * with this model, on any number of threads and segments. `extra` is JSON that comes back with it. The sink is the
   * caller's to close; see saveState in index.ts for files.
   */
  saveState(
    sequence: Sequence,
    sink: ByteSink,
    options?: { extra?: unknown; signal?: AbortSignal },
  ): Promise<void>;
  /**
   * Replaces what a sequence holds by what was saved; returns `extra`.
   *
   * @throws StateError for a damaged file, another model or another type of cache: the sequence is empty then
   */
  loadState(sequence: Sequence, source: ByteSource, options?: { signal?: AbortSignal }): Promise<unknown>;
  /**
   * A vector per text, in order: the pooled hidden states after the last layer (and its norm). With pooling "none" a
   * row of `embeddingLength` values per token instead. Several texts share a step. An encoder's texts must fit in
   * its context; token ids are taken as they are, text gets its special tokens.
   */
  embed(texts: readonly (string | readonly number[])[], options?: EmbedOptions): Promise<Float32Array[]>;
  /** Label and probabilities per text, of a model whose file has a classifier (`info.labels`). */
  classify(
    texts: readonly (string | readonly number[])[],
    options?: ClassifyOptions,
  ): Promise<Classification[]>;
  /** How often prompts were found in the KV cache: see `prefixCache`. */
  cacheStats(): CacheStats;
  /** Times per op since load, when loaded with `profile`. */
  profile(): ProfileRow[];
  dispose(): Promise<void>;
}
