/** A thread of the quantizer: reads rows of a file, converts them, hands their bytes over. */
import { open } from 'node:fs/promises';
import { move } from 'piscina';
import { GgufError } from '../../src/errors.ts';
import type { QuantizeModules, Treatment } from './kernels.ts';
import { ErrorFeedback, type FeedbackTask } from './methods/feedback.ts';
import { ClippingKernels } from './methods/clipping.ts';
import type { Maxima } from './methods/kernels.ts';

export { addProducts, factorize } from './methods/hessian-tasks.ts';

/** Rows of a tensor in a file. */
export interface RowsSource {
  modules: QuantizeModules;
  /** File, and place of the rows in it. */
  path: string;
  offset: number;
  bytes: number;
  rows: number;
  columns: number;
  from: number;
  /** For messages. */
  tensor: string;
}

/** Rows to be quantized. */
export interface RowsTask extends RowsSource {
  to: number;
  treatment: Treatment;
  /** Clip weights where that lessens the errors of the outputs for these inputs, [n x columns]. */
  clipFor?: Float32Array;
  /** Quantize column after column instead. */
  feedback?: FeedbackTask;
}

/** Rows whose output errors are wanted, for several scales of their columns: see ClippingKernels.outputErrors. */
export interface ErrorsTask extends RowsSource {
  to: number;
  /** Several times `columns` factors. */
  scales: Float32Array;
  /** [n x columns] */
  samples: Float32Array;
  /** One per column of the rows as they are. */
  importance?: Float32Array;
}

/** Rows whose largest magnitudes are wanted. */
export interface MaximaTask extends RowsSource {
  treatment: Treatment;
}

/** Instead of bytes, where the file is at fault: errors lose their class on the way between threads. */
export interface RowsProblem {
  problem: string;
}

let kernels: ClippingKernels | undefined;
let feedback: ErrorFeedback | undefined;

/** @returns the bytes of the new rows, or a RowsProblem */
export default async function convertRows(task: RowsTask): Promise<unknown> {
  return guarded(task, async () => move(await convert(task)));
}

/** @returns the errors for each of the scales, or a RowsProblem */
export async function outputErrors(task: ErrorsTask): Promise<Float64Array | RowsProblem> {
  return guarded(task, async () => {
    kernels ??= new ClippingKernels(task.modules);
    const source = await readRows(task);
    return kernels.outputErrors(task.from, source, task.rows, task.columns, task);
  });
}

/** @returns the largest magnitudes of columns and rows, or a RowsProblem */
export async function maxima(task: MaximaTask): Promise<Maxima | RowsProblem> {
  return guarded(task, async () => {
    kernels ??= new ClippingKernels(task.modules);
    return kernels.maxima(task.from, await readRows(task), task.rows, task.columns, task.treatment);
  });
}

async function guarded<T>(task: RowsSource, work: () => Promise<T>): Promise<T | RowsProblem> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    return { problem: `${task.path}: tensor ${task.tensor}: ${error.message}` };
  }
}

async function convert(task: RowsTask): Promise<Uint8Array<ArrayBuffer>> {
  const { from, to, rows, columns, treatment } = task;
  const source = await readRows(task);
  if (from === to && !treatment.columns && !treatment.rows) return source;
  kernels ??= new ClippingKernels(task.modules);
  if (task.clipFor) {
    return kernels.convertClipped(from, source, rows, columns, to, treatment, task.clipFor);
  }
  if (!task.feedback) return kernels.convert(from, source, rows, columns, to, treatment);
  feedback ??= new ErrorFeedback(task.modules);
  const values = kernels.dequantize(from, source, rows, columns);
  return feedback.quantize(to, values, rows, columns, task.feedback);
}

async function readRows({ path, offset, bytes }: RowsSource): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path, 'r');
  try {
    const buffer = new Uint8Array(bytes);
    for (let done = 0; done < bytes;) {
      const { bytesRead } = await file.read(buffer, done, bytes - done, offset + done);
      if (bytesRead === 0) throw new GgufError('the file became shorter while it was being read');
      done += bytesRead;
    }
    return buffer;
  } finally {
    await file.close();
  }
}
