/** Rows converted on all threads ahead of the writer, a bounded number of chunks at a time. */
import { Piscina } from 'piscina';
import { AbortedError, GgufError } from '../../src/errors.ts';
import { rowBytes } from '../../src/gguf/tensor-types.ts';
import type { GgufFile } from '../../src/gguf/types.ts';
import { builtModule } from '../../src/platform/node/package-root.ts';
import type { QuantizeModules } from './kernels.ts';
import type { PlannedTensor } from './plan.ts';
import type { RowsProblem, RowsTask } from './worker.ts';

const WORKER = builtModule('tools/quantize/worker');
/** Weights in a chunk: 4 MB as f32. A chunk is whole groups of 8 rows of one matrix. */
const CHUNK_WEIGHTS = 2 ** 20;
/** Chunks under way per thread: one at work, one that waits, and some done that the writer has not come to. */
const AHEAD_PER_THREAD = 3;

/** Importance of a matrix' columns; undefined: all alike. */
export type ImportanceOf = (tensor: PlannedTensor, part: number) => Float32Array | undefined;

export class RowsPool {
  private readonly pool: Piscina;
  private readonly tasks: Iterator<RowsTask>;
  private readonly depth: number;
  private readonly queue: Promise<Uint8Array>[] = [];
  private ended = false;

  constructor(tasks: Iterable<RowsTask>, threads: number) {
    this.tasks = tasks[Symbol.iterator]();
    this.depth = threads * AHEAD_PER_THREAD;
    this.pool = new Piscina({
      filename: WORKER.href,
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Infinity,
    });
  }

  /**
   * The bytes of the next chunk, in the order of the tasks.
   *
   * @throws GgufError for a damaged file; AbortedError
   */
  async next(signal?: AbortSignal): Promise<Uint8Array> {
    if (signal?.aborted) throw new AbortedError();
    while (!this.ended && this.queue.length < this.depth) {
      const task = this.tasks.next();
      if (task.done) this.ended = true;
      else this.queue.push(this.run(task.value));
    }
    const chunk = this.queue.shift();
    if (!chunk) throw new RangeError('no chunk is left');
    return chunk;
  }

  private run(task: RowsTask): Promise<Uint8Array> {
    const result = this.pool.run(task).then((value: Uint8Array | RowsProblem) => {
      if ('problem' in value) throw new GgufError(value.problem);
      return value;
    });
    // Who waits for a chunk hears of its failure; the others that fail with it are nobody's.
    result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    this.ended = true;
    await Promise.allSettled(this.queue.splice(0));
    await this.pool.destroy();
  }
}

/** The chunks of a tensor, in the order of its rows. */
export function* chunksOf(
  file: GgufFile,
  modules: QuantizeModules,
  planned: PlannedTensor,
  importanceOf: ImportanceOf,
): Generator<RowsTask> {
  const { tensor, rows, columns, parts, type } = planned;
  const perPart = rows / parts;
  const most = Math.max(8, Math.floor(CHUNK_WEIGHTS / columns / 8) * 8);
  const source = rowBytes(tensor.type, columns);
  for (let part = 0; part < parts; part++) {
    const importance = importanceOf(planned, part);
    for (let row = 0; row < perPart; row += most) {
      const count = Math.min(most, perPart - row);
      yield {
        modules,
        path: file.sources[tensor.shard]!.name,
        offset: tensor.offset + (part * perPart + row) * source,
        bytes: count * source,
        rows: count,
        columns,
        from: tensor.type,
        to: type.id,
        importance,
        tensor: tensor.name,
      };
    }
  }
}

/** How many chunks `chunksOf` makes. */
export function countChunks({ rows, columns, parts }: PlannedTensor): number {
  const most = Math.max(8, Math.floor(CHUNK_WEIGHTS / columns / 8) * 8);
  return parts * Math.ceil(rows / parts / most);
}
