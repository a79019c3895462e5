/**
 * A worker thread: one long piscina task. It brings its share of the model into shared memory, then walks
 * every step until it is told to stop. Nothing but WebAssembly runs per op.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import {
  LOAD_DAMAGED,
  LOAD_KIB,
  LOAD_NEXT,
  LOAD_READY,
  LOAD_STOP,
  type LoadTask,
  type Repack,
  type WorkerSetup,
} from '../../engine/host.ts';
import { GgufError } from '../../errors.ts';
import { TOKENS } from '../../kernels/control.ts';
import {
  DEQUANTIZE_KERNEL,
  instantiate,
  plug,
  REPACK_KERNEL,
  type KernelExports,
} from '../../kernels/exports.ts';
import { poison } from '../../kernels/poison.ts';

export interface WorkerTask {
  setup: WorkerSetup;
  /** 0 .. threads - 1 */
  index: number;
}

export default function work({ setup, index }: WorkerTask): void {
  try {
    const kernels = setup.segments.map(({ memory }) => {
      const instance = instantiate(setup.module, memory);
      // The same index as in the thread that wrote the records: all tables grow alike.
      if (setup.kernel) plug(setup.kernel, instance, memory);
      return instance;
    });
    const words = new Int32Array(setup.load);
    load(setup, index, kernels, words);
    Atomics.add(words, LOAD_READY, 1);
    Atomics.notify(words, LOAD_READY);
    walk(setup, index, kernels);
  } catch (error) {
    // The peers must not wait for this worker's chunks.
    poison(setup.segments.map(({ memory }) => memory));
    // Errors lose their class on the way out of a thread.
    Atomics.store(new Int32Array(setup.load), LOAD_STOP, error instanceof GgufError ? LOAD_DAMAGED : 1);
    throw error;
  }
}

function load(setup: WorkerSetup, index: number, kernels: KernelExports[], words: Int32Array): void {
  const files = setup.paths.map((path) => openSync(path, 'r'));
  try {
    while (Atomics.load(words, LOAD_STOP) === 0) {
      const task = setup.tasks[Atomics.add(words, LOAD_NEXT, 1)];
      if (!task) return;
      runTask(task, setup, index, kernels[task.segment]!, files[task.shard]!);
      Atomics.add(words, LOAD_KIB, Math.ceil(task.bytes / 1024));
    }
  } finally {
    files.forEach((file) => closeSync(file));
  }
}

function runTask(
  task: LoadTask,
  setup: WorkerSetup,
  index: number,
  kernels: KernelExports,
  file: number,
): void {
  const { memory, stage, stageBytes } = setup.segments[task.segment]!;
  const to = task.repack ? stage + index * stageBytes : task.to;
  const bytes = new Uint8Array(memory.buffer, to, task.bytes);
  for (let done = 0; done < task.bytes;) {
    const count = readSync(file, bytes, done, task.bytes - done, task.offset + done);
    if (count === 0) throw new GgufError(`${setup.paths[task.shard]} ended inside tensor ${task.tensor}`);
    done += count;
  }
  if (!task.repack) {
    if (!new Float32Array(memory.buffer, to, task.bytes / 4).every(Number.isFinite))
      throw damaged(task, setup);
    return;
  }
  if (repackRows(kernels, task.repack, to, task.to) !== 0) throw damaged(task, setup);
}

/** Brings rows from the stage into the run-time layout; not 0: there are NaN or infinite values. */
function repackRows(kernels: KernelExports, how: Repack, stage: number, to: number): number {
  const { kernel, rows, rowBytes, groupBytes, units, transpose } = how;
  const repack = kernels.kernelIndex(kernel, REPACK_KERNEL);
  if (!transpose) return kernels.repackGroups(repack, stage, rowBytes, rows, to, groupBytes, units);
  const { first, columns, toBytes, scratch } = transpose;
  return kernels.transposeRows(
    repack,
    kernels.kernelIndex(kernel, DEQUANTIZE_KERNEL),
    stage,
    rowBytes,
    first,
    rows,
    columns,
    units,
    groupBytes,
    to,
    toBytes,
    stage + scratch,
  );
}

function damaged(task: LoadTask, setup: WorkerSetup): GgufError {
  return new GgufError(
    `tensor ${task.tensor} of ${setup.paths[task.shard]} holds NaN or infinite values: the file is damaged`,
  );
}

function walk(setup: WorkerSetup, index: number, kernels: KernelExports[]): void {
  const first = kernels[0]!;
  for (let epoch = first.awaitStep(0); epoch !== 0; epoch = first.awaitStep(epoch)) {
    let whole = true;
    for (let s = 0; s < kernels.length && whole; s++) {
      if (s > 0 && kernels[s]!.takeReceive(epoch) !== 0) {
        handOver(setup, s);
        kernels[s]!.finishReceive();
      }
      whole = kernels[s]!.walk(index, epoch) !== 0;
    }
    if (whole) first.endStep(epoch);
  }
}

/** Brings the hidden state from segment s - 1 to segment s. */
function handOver(setup: WorkerSetup, s: number): void {
  const from = setup.segments[s - 1]!,
    to = setup.segments[s]!;
  const tokens = new Int32Array(from.memory.buffer)[TOKENS / 4]!;
  const bytes = tokens * from.hidden.stride;
  new Uint8Array(to.memory.buffer, to.hidden.address, bytes).set(
    new Uint8Array(from.memory.buffer, from.hidden.address, bytes),
  );
}
