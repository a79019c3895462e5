/** A thread that runs kernels: nothing of a learner's ever runs in the main thread. */
import { parentPort } from 'node:worker_threads';
import { SCRATCH_BYTES } from './memory.ts';
import {
  ARRIVED,
  CLOCKS_AT,
  FAILED,
  ROUND,
  type Call,
  type Expected,
  type Reply,
  type Request,
  type Timed,
  type Times,
} from './protocol.ts';

type Linear = (...numbers: number[]) => void;

interface Loaded {
  linear: Linear;
  memory: WebAssembly.Memory;
}

const kernels = new Map<number, Loaded>();

function load(kernel: number, module: WebAssembly.Module, memory: WebAssembly.Memory): void {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  kernels.set(kernel, { linear: instance.exports.linear as Linear, memory });
}

function call({ linear }: Loaded, c: Call, worker: number, workers: number): void {
  const scratch = c.scratch + worker * SCRATCH_BYTES;
  linear(
    c.weights,
    c.activations,
    c.output,
    c.rows,
    c.columns,
    c.tokens,
    worker,
    workers,
    c.counter,
    scratch,
  );
}

/** Looks so often before it sleeps: threads may be more than processors. */
const SPINS = 2000;

/** Waits until `threads` threads have come here. False: one of them failed. */
function meet(words: Int32Array, threads: number): boolean {
  const round = Atomics.load(words, ROUND);
  if (Atomics.add(words, ARRIVED, 1) === threads - 1) {
    Atomics.store(words, ARRIVED, 0);
    Atomics.add(words, ROUND, 1);
    Atomics.notify(words, ROUND);
  }
  for (let spin = 0; Atomics.load(words, ROUND) === round; spin++) {
    if (spin > SPINS) Atomics.wait(words, ROUND, round, 20);
    if (Atomics.load(words, FAILED) !== 0) return false;
  }
  return true;
}

function resetCounter({ memory }: Loaded, { counter }: Call): void {
  Atomics.store(new Int32Array(memory.buffer), counter >> 2, 0);
}

/** The counter, and nothing left of an earlier call: its results, or notes in the scratch. */
function prepare(loaded: Loaded, c: Call, workers: number): void {
  const { buffer } = loaded.memory;
  resetCounter(loaded, c);
  new Float32Array(buffer, c.output, c.rows * c.tokens).fill(NaN);
  new Uint8Array(buffer, c.scratch, SCRATCH_BYTES * workers).fill(0);
}

/** Every row of every token is what its row of the pattern must be; NaN is not. */
function isRight({ memory }: Loaded, c: Call, { values, margins }: Expected): boolean {
  const output = new Float32Array(memory.buffer, c.output, c.rows * c.tokens);
  return output.every((value, i) => {
    const row = (i % c.rows) % values.length;
    return Math.abs(value - values[row]!) <= margins[row]!;
  });
}

/** Every worker of a round at once; worker 0 sets the counter back before it. */
function together(request: Request & { kind: 'together' }): void {
  const words = new Int32Array(request.sync);
  const loaded = kernels.get(request.kernel)!;
  try {
    for (let i = 0; i < request.times; i++) {
      if (request.worker === 0) resetCounter(loaded, request.call);
      if (!meet(words, request.workers)) return;
      call(loaded, request.call, request.worker, request.workers);
      if (!meet(words, request.workers)) return;
    }
  } catch (error) {
    Atomics.store(words, FAILED, 1);
    throw error;
  }
}

/** One clock for all threads: performance.now() begins at another time in each. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * Milliseconds per kernel and round: from when the first thread began to when the last one ended. A thread that the
 * system lets wait at the start line must not stop the watch for the others.
 */
function time({ timed, worker, threads, rounds, sync }: Request & { kind: 'time' }): Times[] {
  const words = new Int32Array(sync, 0, CLOCKS_AT / 4);
  const began = new Float64Array(sync, CLOCKS_AT, threads);
  const ended = new Float64Array(sync, CLOCKS_AT + 8 * threads, threads);
  const times = timed.map((): Times => ({ milliseconds: [], wrong: false }));
  const once = ({ kernel, call: c, workers, expected }: Timed, into: Times): boolean => {
    const loaded = kernels.get(kernel)!;
    if (worker === 0) prepare(loaded, c, workers);
    if (!meet(words, threads)) return false;
    began[worker] = now();
    if (worker < workers) call(loaded, c, worker, workers);
    ended[worker] = now();
    if (!meet(words, threads)) return false;
    const part = (clocks: Float64Array) => clocks.subarray(0, workers);
    if (worker === 0) {
      into.milliseconds.push(Math.max(...part(ended)) - Math.min(...part(began)));
      into.wrong ||= !isRight(loaded, c, expected);
    }
    return meet(words, threads);
  };
  try {
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < timed.length; i++) if (!once(timed[i]!, times[i]!)) return times;
    }
  } catch (error) {
    Atomics.store(words, FAILED, 1);
    throw error;
  }
  return times;
}

function answer(request: Request): Reply {
  try {
    switch (request.kind) {
      case 'load':
        load(request.kernel, request.module, request.memory);
        return { ok: true };
      case 'run':
        for (let worker = request.first; worker < request.last; worker++) {
          call(kernels.get(request.kernel)!, request.call, worker, request.workers);
        }
        return { ok: true };
      case 'together':
        together(request);
        return { ok: true };
      case 'time':
        return { ok: true, times: time(request) };
    }
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

parentPort!.on('message', (request: Request) => parentPort!.postMessage(answer(request)));
