/** How a model is loaded: options of `loadModel`, and what is said meanwhile. */
import type { Fusion } from './fusion.ts';
import type { LinearKernel } from './linear.ts';

export type KvType = 'f16' | 'f32' | 'q8_0';

/** `int8`: activations quantized per 32 values, as ggml does; `f32`: exact and slow, for checks against oracles. */
export type ActivationType = 'int8' | 'f32';

/** Kernel variants, from the one that every SIMD host runs to the ones that need relaxed SIMD. */
export type KernelVariant = 'simd' | 'dot2' | 'dot4';

export interface LoadProgress {
  /** What is being done now. */
  stage: 'download' | 'read' | 'kernels' | 'load';
  /** Bytes done and to do in this stage; `totalBytes` is 0 where it is unknown. */
  bytes: number;
  totalBytes: number;
}

export interface LoadOptions {
  /** Worker threads; default: physical cores, within the container's quota. */
  threads?: number;
  /** Positions that all sequences together may hold; default: min(trained, 4096). */
  contextSize?: number;
  /** Tokens per prefill batch; default 512. An encoder's text is always one batch. */
  batchSize?: number;
  /** Numbers in the KV cache; default: f16, f32 of encoders, whose cache lives for one text. */
  kvType?: KvType;
  /**
   * Prompts that begin alike are computed once, also across sequences, and stay in the cache until its room is
   * needed; default false.
   */
  prefixCache?: boolean;
  activations?: ActivationType;
  /**
   * Ops that do several things in one (default), or each in an op of its own: to see what a fusion is worth. A list keeps
   * these fused.
   */
  fuse?: boolean | readonly Fusion[];
  /**
   * Run-time layout of the weights, one of LAYOUTS in kernels/formats.ts, such as `4x4`: the same results at another speed.
   * Types that do not have it stay in their default layout, which `onFallback` is told.
   */
  layout?: string;
  /** Pins a kernel variant instead of taking the winner of the first-start race. */
  variant?: KernelVariant;
  /** Bytes of weights per WebAssembly memory; default: just under 4 GiB. */
  segmentLimit?: number;
  /**
   * Set the process-wide V8 flags that help: relaxed SIMD on Node 20; revectorization on Node 24 and 26, where the race
   * has found it right and faster. Default true.
   */
  v8Flags?: boolean;
  /** Collect per-op times: `model.profile()`. */
  profile?: boolean;
  /** A kernel from outside for the 4-bit linear layers, such as one of the lab. */
  kernel?: LinearKernel;
  /** Keep what goes into the matmuls, for `model.observe`; batches are then of 64 tokens, unless stated. */
  observe?: boolean;
  /** On too little memory, try a smaller context, then a q8_0 cache; every attempt is reported. */
  fallback?: boolean;
  /** What is done otherwise than asked for. */
  onFallback?: (message: string) => void;
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
}
