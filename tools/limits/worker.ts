/** One thread of a measurement: warms up, waits for its peers, works until told to stop, says what it did. */
import { parentPort, workerData } from 'node:worker_threads';
import { instantiate, type KernelExports } from '../../src/kernels/exports.ts';

export interface Task {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Two words that the threads share: how many have come; not 0 when the first has done its time. */
  gate: Int32Array;
  threads: number;
  /** Name of an export, or index in the function table. */
  call: 'spinDots' | 'spinMadds' | 'readAll' | number;
  /** Arguments of the calls, one after the other and over again. */
  args: readonly (readonly number[])[];
  /** At work, and before that. */
  milliseconds: number;
  warmUp: number;
}

export interface Done {
  calls: number;
  milliseconds: number;
}

const WAITING = 0;
const STOPPED = 1;

function called(kernels: KernelExports, call: Task['call']): (...args: readonly number[]) => unknown {
  return typeof call === 'number'
    ? (kernels.table.get(call) as (...args: readonly number[]) => unknown)
    : (kernels[call] as (...args: readonly number[]) => unknown);
}

function run({ module, memory, gate, threads, call, args, milliseconds, warmUp }: Task): Done {
  const kernel = called(instantiate(module, memory), call);
  let next = 0;
  const once = () => {
    const these = args[next]!;
    next = (next + 1) % args.length;
    kernel(...these);
  };
  const warm = performance.now() + warmUp;
  while (performance.now() < warm) once();

  Atomics.add(gate, WAITING, 1);
  while (Atomics.load(gate, WAITING) < threads);
  const start = performance.now();
  let count = 0;
  do {
    once();
    count++;
  } while (performance.now() - start < milliseconds && Atomics.load(gate, STOPPED) === 0);
  const time = performance.now() - start;
  // Who goes on alone would have the machine for itself.
  Atomics.store(gate, STOPPED, 1);
  return { calls: count, milliseconds: time };
}

parentPort!.postMessage(run(workerData as Task));
