/** Collects an importance matrix: runs calibration text and adds up the squares of what goes into each matmul. */
import { UsageError } from '../../src/errors.ts';
import type { Model, Observation } from '../../src/engine/types.ts';
import type { ImatrixEntry } from './imatrix.ts';

export interface CollectOptions {
  /** Tokens per chunk. */
  chunkSize: number;
  /** Only so many; default: all. */
  chunks?: number;
  /** Also of output.weight, which is quantized without importance otherwise. */
  output?: boolean;
  signal?: AbortSignal;
  onChunk?: (done: number, total: number) => void;
}

/** Sums in f64: thousands of squares are added to each. */
interface Sums {
  squares: Float64Array;
  count: number;
}

/**
 * Cuts the ids into chunks, each run from position 0 with the beginning-of-text token over its first id where the
 * model wants one, as llama-imatrix does. A rest shorter than a chunk is left out.
 *
 * @param model loaded with `observe`
 * @throws UsageError for a text shorter than a chunk; AbortedError
 */
export async function collectImatrix(
  model: Model,
  ids: readonly number[],
  options: CollectOptions,
): Promise<{ entries: Map<string, ImatrixEntry>; chunks: number }> {
  const { chunkSize, signal } = options;
  const whole = Math.floor(ids.length / chunkSize);
  const chunks = Math.min(whole, options.chunks ?? whole);
  if (chunks === 0) {
    throw new UsageError(
      `the text has ${ids.length} tokens, less than a chunk of ${chunkSize}: give more text or a smaller --ctx-size`,
    );
  }
  const bos = model.tokenizer.addBos ? model.tokenizer.bos : undefined;
  // Matrices that share their input share their sums.
  const sums = new Map<string, Sums>();
  const tensors = new Map<string, readonly string[]>();
  const add = (observation: Observation): void => {
    const key = observation.tensors[0];
    if (key === undefined) return;
    const sum = sums.get(key) ?? { squares: new Float64Array(observation.width), count: 0 };
    addSquares(observation, sum);
    sums.set(key, sum);
    tensors.set(key, observation.tensors);
  };
  for (let chunk = 0; chunk < chunks; chunk++) {
    const part = ids.slice(chunk * chunkSize, (chunk + 1) * chunkSize);
    if (bos !== undefined) part[0] = bos;
    await model.observe(part, add, { outputs: options.output, signal });
    options.onChunk?.(chunk + 1, chunks);
  }
  const entries = new Map<string, ImatrixEntry>();
  for (const [key, { squares, count }] of sums) {
    for (const name of tensors.get(key)!) {
      // The embedding that makes the logits too is quantized without importance.
      if (name === 'token_embd.weight' || (name === 'output.weight' && !options.output)) continue;
      entries.set(name, { squares: Float32Array.from(squares), counts: Float32Array.of(count) });
    }
  }
  return { entries, chunks };
}

function addSquares({ rows, width, count }: Observation, sum: Sums): void {
  const { squares } = sum;
  for (let row = 0, at = 0; row < count; row++) {
    for (let k = 0; k < width; k++, at++) squares[k]! += rows[at]! * rows[at]!;
  }
  sum.count += count;
}
