/** Collects an importance matrix: runs calibration text and adds up the squares of what goes into each matmul. */
import type { Model, Observation } from '../../src/engine/types.ts';
import { cutChunks, observeChunks, type ChunkOptions } from '../calibration/chunks.ts';
import type { ImatrixEntry } from './imatrix.ts';

export interface CollectOptions extends ChunkOptions {
  /** Also of output.weight, which is quantized without importance otherwise. */
  output?: boolean;
  signal?: AbortSignal;
  onChunk?: (done: number, total: number) => void;
}

/** What has been added up of one input. */
interface Sums {
  tensors: readonly string[];
  /** In f64: thousands of squares are added to each. */
  squares: Float64Array;
  count: number;
}

/** Sums of squares by input; matrices that share their input share their sums. */
export class SquareSums {
  private readonly sums = new Map<string, Sums>();

  add({ tensors, rows, width, count }: Observation): void {
    const key = tensors[0];
    if (key === undefined) return;
    const sum = this.sums.get(key) ?? { tensors, squares: new Float64Array(width), count: 0 };
    this.sums.set(key, sum);
    const { squares } = sum;
    for (let row = 0, at = 0; row < count; row++) {
      for (let k = 0; k < width; k++, at++) squares[k]! += rows[at]! * rows[at]!;
    }
    sum.count += count;
  }

  /** By the names of matrices. */
  entries({ output = false } = {}): Map<string, ImatrixEntry> {
    const entries = new Map<string, ImatrixEntry>();
    for (const { tensors, squares, count } of this.sums.values()) {
      for (const name of tensors) {
        // The embedding that makes the logits too is quantized without importance.
        if (name === 'token_embd.weight' || (name === 'output.weight' && !output)) continue;
        entries.set(name, { squares: Float32Array.from(squares), counts: Float32Array.of(count) });
      }
    }
    return entries;
  }
}

/**
 * @param model loaded with `observe`
 * @throws UsageError for a text shorter than a chunk; AbortedError
 */
export async function collectImatrix(
  model: Model,
  ids: readonly number[],
  options: CollectOptions,
): Promise<{ entries: Map<string, ImatrixEntry>; chunks: number }> {
  const { output, signal, onChunk } = options;
  const chunks = cutChunks(model, ids, options);
  const sums = new SquareSums();
  await observeChunks(model, chunks, (observation) => sums.add(observation), {
    outputs: output,
    signal,
    onChunk,
  });
  return { entries: sums.entries({ output }), chunks: chunks.length };
}
