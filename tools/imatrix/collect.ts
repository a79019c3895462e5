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

/** In f64: thousands of squares are added to each. */
interface PartSums {
  squares: Float64Array;
  count: number;
}

/** What has been added up of one input. */
interface Sums {
  tensors: readonly string[];
  width: number;
  /** By expert, or just one. */
  parts: PartSums[];
}

const empty = (parts: number, width: number): PartSums[] =>
  Array.from({ length: parts }, () => ({ squares: new Float64Array(width), count: 0 }));

/** Sums of squares by input; matrices that share their input share their sums, and each expert has its own. */
export class SquareSums {
  private readonly sums = new Map<string, Sums>();

  add({ tensors, rows, width, count, experts }: Observation): void {
    const key = tensors[0];
    if (key === undefined) return;
    const sum = this.sums.get(key) ?? { tensors, width, parts: empty(experts?.count ?? 1, width) };
    this.sums.set(key, sum);
    for (let row = 0, at = 0; row < count; row++) {
      const part = sum.parts[experts?.chosen[row] ?? 0]!;
      for (let k = 0; k < width; k++, at++) part.squares[k]! += rows[at]! * rows[at]!;
      part.count++;
    }
  }

  /** By the names of matrices. */
  entries({ output = false } = {}): Map<string, ImatrixEntry> {
    const entries = new Map<string, ImatrixEntry>();
    for (const { tensors, width, parts } of this.sums.values()) {
      const squares = new Float32Array(parts.length * width);
      parts.forEach((part, i) => squares.set(part.squares, i * width));
      const counts = Float32Array.from(parts, ({ count }) => count);
      for (const name of tensors) {
        // The embedding that makes the logits too is quantized without importance.
        if (name === 'token_embd.weight' || (name === 'output.weight' && !output)) continue;
        entries.set(name, { squares, counts });
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
    experts: true,
    signal,
    onChunk,
  });
  return { entries: sums.entries({ output }), chunks: chunks.length };
}
