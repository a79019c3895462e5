/** A thread of the quantizer: reads rows of a file, converts them, hands their bytes over. */
import { open } from 'node:fs/promises';
import { move } from 'piscina';
import { GgufError } from '../../src/errors.ts';
import { QuantizeKernels, type QuantizeModules } from './kernels.ts';

export interface RowsTask {
  modules: QuantizeModules;
  /** File, and place of the rows in it. */
  path: string;
  offset: number;
  bytes: number;
  rows: number;
  columns: number;
  from: number;
  to: number;
  importance?: Float32Array;
  /** For messages. */
  tensor: string;
}

/** Instead of bytes, where the file is at fault: errors lose their class on the way between threads. */
export interface RowsProblem {
  problem: string;
}

let kernels: QuantizeKernels | undefined;

/** @returns the bytes of the new rows, or a RowsProblem */
export default async function convertRows(task: RowsTask): Promise<unknown> {
  try {
    return move(await convert(task));
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    return { problem: `${task.path}: tensor ${task.tensor}: ${error.message}` } satisfies RowsProblem;
  }
}

async function convert(task: RowsTask): Promise<Uint8Array<ArrayBuffer>> {
  const source = await readRows(task);
  if (task.from === task.to) return source;
  kernels ??= new QuantizeKernels(task.modules);
  return kernels.convert(task.from, source, task.rows, task.columns, task.to, task.importance);
}

async function readRows({ path, offset, bytes }: RowsTask): Promise<Uint8Array<ArrayBuffer>> {
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
