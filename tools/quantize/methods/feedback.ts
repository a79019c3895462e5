/** Rows quantized column after column, each error made good in the columns that follow: assembly/quantize/feedback.ts. */
import { rowBytes, tensorTypeByName } from '../../../src/gguf/tensor-types.ts';
import { instantiateQuantizers, type QuantizeExports, type QuantizeModules } from '../kernels.ts';

export interface FeedbackTask {
  /** Of the input, to know one that is in memory already. */
  key: string;
  /** M of feedback.ts, [columns x columns] f32 at `offset` of `buffer`. */
  buffer: SharedArrayBuffer;
  offset: number;
  /** Columns in the order of M; walked from the last to the first. */
  order: Int32Array;
  importance: Float32Array;
  /** Fit a block's scales when the walk comes to it; the order is then the file's. */
  refit: boolean;
}

const PAGE = 65536;
const SCRATCH = 65536;
const BUFFERS = SCRATCH + 16384;

/** Types whose blocks hold a step and a minimum per group of columns. */
const TYPES = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'];
const IDS = new Set(TYPES.map((name) => tensorTypeByName(name)!.id));

/** Whether a GGUF type can be written with error feedback. */
export function takesFeedback(type: number): boolean {
  return IDS.has(type);
}

export class ErrorFeedback {
  private readonly memory = new WebAssembly.Memory({ initial: 2, maximum: 65536, shared: true });
  private readonly quantizers: QuantizeExports;
  /** What lies at BUFFERS: order, importance and M of this input. */
  private key = '';

  constructor(modules: QuantizeModules) {
    this.quantizers = instantiateQuantizers(modules, this.memory);
    this.quantizers.prepare(SCRATCH);
  }

  /**
   * @param values [rows x columns]
   * @returns the rows in the type's blocks
   */
  quantize(
    type: number,
    values: Float32Array,
    rows: number,
    columns: number,
    task: FeedbackTask,
  ): Uint8Array<ArrayBuffer> {
    const { order, importance, refit } = task;
    const bytes = rowBytes(type, columns);
    const importanceAt = BUFFERS + columns * 4;
    const factor = importanceAt + columns * 4;
    const some = factor + columns * columns * 4;
    const to = some + 8 * columns * 4;
    const work = Math.ceil((to + 8 * bytes) / 64) * 64;
    const missing = work + this.quantizers.feedbackBytes(columns) - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    if (this.key !== task.key) {
      new Int32Array(this.memory.buffer, BUFFERS, columns).set(order);
      new Float32Array(this.memory.buffer, importanceAt, columns).set(importance);
      const m = new Float32Array(task.buffer, task.offset, columns * columns);
      new Float32Array(this.memory.buffer, factor, columns * columns).set(m);
      this.key = task.key;
    }
    const result = new Uint8Array(rows * bytes);
    for (let row = 0; row < rows; row += 8) {
      const count = Math.min(8, rows - row);
      const group = new Float32Array(this.memory.buffer, some, 8 * columns).fill(0);
      group.set(values.subarray(row * columns, (row + count) * columns));
      this.quantizers.walkRows(
        ...([type, some, columns, importanceAt, BUFFERS, factor, refit ? 1 : 0] as const),
        ...([to, bytes, work, SCRATCH] as const),
      );
      result.set(new Uint8Array(this.memory.buffer, to, count * bytes), row * bytes);
    }
    return result;
  }
}
