/** Rows converted on all threads ahead of the writer, a bounded number of chunks at a time. */
import { Piscina } from 'piscina';
import { AbortedError, GgufError } from '../../src/errors.ts';
import { rowBytes } from '../../src/gguf/tensor-types.ts';
import type { GgufFile } from '../../src/gguf/types.ts';
import { builtModule } from '../../src/platform/node/package-root.ts';
import type { QuantizeModules } from './kernels.ts';
import type { PlannedTensor } from './plan.ts';
import type { FeedbackTask } from './methods/feedback.ts';
import type { FactorTask, ProductsTask } from './methods/hessian-tasks.ts';
import type { Maxima } from './methods/kernels.ts';
import type { ErrorsTask, MaximaTask, RowsProblem, RowsSource, RowsTask } from './worker.ts';

const WORKER = builtModule('tools/quantize/worker');
/** Weights in a chunk: 4 MB as f32. A chunk is whole groups of 8 rows of one matrix. */
const CHUNK_WEIGHTS = 2 ** 20;
/** Chunks under way per thread: one at work, one that waits, and some done that the writer has not come to. */
const AHEAD_PER_THREAD = 3;

/** What a method does to a tensor. */
export interface TensorTreatment {
  /** How much an error in a column counts, one matrix (expert) after the other; default: all alike. */
  importance?: Float32Array;
  /** Factors on the columns, and on the rows of all matrices. */
  columns?: Float32Array;
  rows?: Float32Array;
  /** Clip weights where that lessens the errors of the outputs for these inputs, [n x columns]. */
  clipFor?: Float32Array;
  /** Quantize column after column instead. */
  feedback?: FeedbackTask;
}

/** Threads that convert and measure rows. */
export class QuantizeThreads {
  readonly count: number;
  private readonly pool: Piscina;

  constructor(count: number) {
    this.count = count;
    this.pool = new Piscina({
      filename: WORKER.href,
      minThreads: count,
      maxThreads: count,
      idleTimeout: Infinity,
    });
  }

  /** @throws GgufError for a damaged file */
  convertRows(task: RowsTask): Promise<Uint8Array> {
    return this.run(task) as Promise<Uint8Array>;
  }

  /** @throws GgufError for a damaged file */
  outputErrors(task: ErrorsTask): Promise<Float64Array> {
    return this.run(task, 'outputErrors') as Promise<Float64Array>;
  }

  /** @throws GgufError for a damaged file */
  maxima(task: MaximaTask): Promise<Maxima> {
    return this.run(task, 'maxima') as Promise<Maxima>;
  }

  async addProducts(task: ProductsTask): Promise<void> {
    await this.pool.run(task, { name: 'addProducts' });
  }

  /** False, with the Hessian as it was, where it is not positive definite. */
  async factorize(task: FactorTask): Promise<boolean> {
    return (await this.pool.run(task, { name: 'factorize' })) as boolean;
  }

  private async run(task: unknown, name?: string): Promise<object> {
    const value = (await this.pool.run(task, { name })) as object | RowsProblem;
    if ('problem' in value) throw new GgufError(value.problem);
    return value;
  }

  close(): Promise<void> {
    return this.pool.destroy();
  }
}

/** Chunks converted in order, ahead of who takes them. */
export class RowsPool {
  private readonly threads: QuantizeThreads;
  private readonly tasks: AsyncIterator<RowsTask>;
  private readonly depth: number;
  private readonly queue: Promise<Uint8Array>[] = [];
  private ended = false;

  constructor(tasks: AsyncIterable<RowsTask>, threads: QuantizeThreads) {
    this.threads = threads;
    this.tasks = tasks[Symbol.asyncIterator]();
    this.depth = threads.count * AHEAD_PER_THREAD;
  }

  /**
   * The bytes of the next chunk, in the order of the tasks.
   *
   * @throws GgufError for a damaged file; AbortedError
   */
  async next(signal?: AbortSignal): Promise<Uint8Array> {
    if (signal?.aborted) throw new AbortedError();
    while (!this.ended && this.queue.length < this.depth) {
      const task = await this.tasks.next();
      if (task.done) this.ended = true;
      else this.push(task.value);
    }
    const chunk = this.queue.shift();
    if (!chunk) throw new RangeError('no chunk is left');
    return chunk;
  }

  private push(task: RowsTask): void {
    const result = this.threads.convertRows(task);
    // Who waits for a chunk hears of its failure; the others that fail with it are nobody's.
    result.catch(() => undefined);
    this.queue.push(result);
  }

  async close(): Promise<void> {
    this.ended = true;
    await Promise.allSettled(this.queue.splice(0));
  }
}

/** The chunks of a tensor, in the order of its rows. */
export function* chunksOf(
  file: GgufFile,
  modules: QuantizeModules,
  planned: PlannedTensor,
  { importance, columns: columnFactors, rows: rowFactors, clipFor, feedback }: TensorTreatment,
): Generator<RowsTask> {
  const { columns, type } = planned;
  for (const { part, first, source } of sourcesOf(file, modules, planned)) {
    yield {
      ...source,
      to: type.id,
      treatment: {
        importance: importance?.subarray(part * columns, (part + 1) * columns),
        columns: columnFactors,
        rows: rowFactors?.subarray(first, first + source.rows),
      },
      clipFor,
      feedback,
    };
  }
}

/** A tensor's rows in the file, cut into chunks; `first`: of all rows. */
export function* sourcesOf(
  file: GgufFile,
  modules: QuantizeModules,
  { tensor, rows, columns, parts }: PlannedTensor,
): Generator<{ part: number; first: number; source: RowsSource }> {
  const perPart = rows / parts;
  const most = chunkRows(columns);
  const bytes = rowBytes(tensor.type, columns);
  for (let part = 0; part < parts; part++) {
    for (let row = 0; row < perPart; row += most) {
      const first = part * perPart + row;
      const count = Math.min(most, perPart - row);
      const source = {
        modules,
        path: file.sources[tensor.shard]!.name,
        offset: tensor.offset + first * bytes,
        bytes: count * bytes,
        rows: count,
        columns,
        from: tensor.type,
        tensor: tensor.name,
      };
      yield { part, first, source };
    }
  }
}

/** How many chunks `chunksOf` makes. */
export function countChunks({ rows, columns, parts }: PlannedTensor): number {
  return parts * Math.ceil(rows / parts / chunkRows(columns));
}

function chunkRows(columns: number): number {
  return Math.max(8, Math.floor(CHUNK_WEIGHTS / columns / 8) * 8);
}
