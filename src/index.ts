/** The public API of nibble: `loadModel`, and the types and errors that go with it. */
import { ModelError } from './errors.ts';
import type { LoadOptions, Model } from './engine/types.ts';
import { resolveModel, smallerModel } from './models/index.ts';
import { loadModelFile } from './platform/node/load-model.ts';
import type { ResolvedModel, ResolveOptions, StoreProgress } from './models/index.ts';

export interface LoadModelOptions
  extends LoadOptions, Omit<ResolveOptions, 'onProgress' | 'signal' | 'verify'> {
  /** A download in detail, with rate and time left; `onProgress` gets its bytes too. */
  onDownload?: (progress: StoreProgress) => void;
  /** The files were found or fetched; called again when `fallback` takes a smaller quantization. */
  onResolved?: (model: ResolvedModel) => void;
}

/**
 * Finds a model, fetches it where it is not there yet, and loads it.
 *
 * @param spec a path, a name of the model list, a URL or `hf:owner/repo[:QUANT|/FILE]`; undefined is the default
 *   model, and the tiny embedded one when that cannot be had
 * @throws UsageError, StoreError, GgufError, ModelError, AbortedError
 */
export async function loadModel(spec?: string, options: LoadModelOptions = {}): Promise<Model> {
  const { onDownload, onResolved, onProgress } = options;
  const store: ResolveOptions = {
    ...options,
    onProgress: (progress) => {
      onDownload?.(progress);
      const stage = progress.stage === 'download' ? 'download' : 'read';
      onProgress?.({ stage, bytes: progress.bytes, totalBytes: progress.totalBytes });
    },
  };
  let resolved = await resolveModel(spec, store);
  for (;;) {
    onResolved?.(resolved);
    try {
      return await loadModelFile(resolved.paths, options);
    } catch (error) {
      const smaller = options.fallback && isOutOfMemory(error) ? smallerThan(resolved) : undefined;
      if (smaller === undefined) throw error;
      options.onFallback?.(`${(error as Error).message}; trying ${smaller}`);
      resolved = await resolveModel(smaller, { ...store, format: undefined });
    }
  }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof ModelError && error.code === 'ERR_OUT_OF_MEMORY';
}

/** The next smaller quantization of the same list entry, as text for resolveModel. */
function smallerThan({ entry, quantization }: ResolvedModel): string | undefined {
  return entry && quantization ? smallerModel(entry.name, quantization) : undefined;
}

export { estimateMemory, loadModelFile, type MemoryEstimate } from './platform/node/load-model.ts';
export { loadState, saveState } from './platform/node/state-file.ts';
export type * from './engine/types.ts';
export { cosineSimilarity } from './engine/pooling.ts';
export { SAMPLING_DEFAULTS } from './engine/sampling/options.ts';
export * from './errors.ts';
export { DEFAULT_MODEL, listModels, pullModel, removeModel, resolveModel } from './models/index.ts';
export type {
  CachedModel,
  ListedModel,
  ResolvedModel,
  ResolveOptions,
  StoreOptions,
  StoreProgress,
} from './models/index.ts';
export type { DecodeOptions, EncodeOptions, StreamDecoder, Tokenizer } from './tokenizer/index.ts';
export {
  createConversation,
  loadConversation,
  saveConversation,
  stripReasoning,
  type Conversation,
} from './chat/index.ts';
