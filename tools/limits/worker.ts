/** One thread of a measurement: warms up, waits for its peers, works until told to stop, says what it did. */
import { parentPort, workerData } from 'node:worker_threads';
import { instantiate } from '../../src/kernels/exports.ts';

export interface Task {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Two words that the threads share: how many have come; not 0 when the first has done its time. */
  gate: Int32Array;
  threads: number;
  loop: 'spinDots' | 'spinMadds' | 'readAll';
  /** Arguments of its calls, one after the other and over again. */
  calls: [number, number][];
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

function run({ module, memory, gate, threads, loop, calls, milliseconds, warmUp }: Task): Done {
  const kernels = instantiate(module, memory);
  let next = 0;
  const once = () => {
    const [a, b] = calls[next]!;
    next = (next + 1) % calls.length;
    kernels[loop](a, b);
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
