/** Calibration text as llama-imatrix runs it: chunk by chunk, each from position 0. */
import { UsageError } from '../../src/errors.ts';
import type { Model, Observation } from '../../src/engine/types.ts';

export interface ChunkOptions {
  /** Tokens per chunk. */
  chunkSize: number;
  /** Only so many; default: all. */
  chunks?: number;
}

export interface RunOptions {
  /** Also show the input of the matrix that makes the logits. */
  outputs?: boolean;
  /** Also show the inputs of experts: see Observation. */
  experts?: boolean;
  /** Called after the visits of each batch, and waited for. */
  afterBatch?: () => Promise<void>;
  signal?: AbortSignal;
  onChunk?: (done: number, total: number) => void;
}

/**
 * The ids of a text in chunks, with the beginning-of-text token over the first id of each where the model wants one. A
 * rest shorter than a chunk is left out.
 *
 * @throws UsageError for a text shorter than a chunk
 */
export function cutChunks(
  { tokenizer }: Model,
  ids: readonly number[],
  { chunkSize, chunks: most = Infinity }: ChunkOptions,
): number[][] {
  const count = Math.min(Math.floor(ids.length / chunkSize), most);
  if (count === 0) {
    throw new UsageError(
      `the text has ${ids.length} tokens, less than a chunk of ${chunkSize}: give more text or a smaller --ctx-size`,
    );
  }
  const bos = tokenizer.addBos ? tokenizer.bos : undefined;
  return Array.from({ length: count }, (_, i) => {
    const chunk = ids.slice(i * chunkSize, (i + 1) * chunkSize);
    if (bos !== undefined) chunk[0] = bos;
    return chunk;
  });
}

/**
 * Runs the chunks and shows what goes into each matmul.
 *
 * @param model loaded with `observe`
 * @throws AbortedError
 */
export async function observeChunks(
  model: Model,
  chunks: readonly (readonly number[])[],
  visit: (observation: Observation) => void,
  { onChunk, ...options }: RunOptions = {},
): Promise<void> {
  for (const [i, chunk] of chunks.entries()) {
    await model.observe(chunk, visit, options);
    onChunk?.(i + 1, chunks.length);
  }
}
