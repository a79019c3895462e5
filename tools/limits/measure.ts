/**
 * What this machine can do at most through WebAssembly, measured: multiply-accumulates between registers, and bytes
 * read from memory. Kernels are held against these figures. The caller sets the V8 flags that a variant needs.
 */
import type { Variant } from '../../src/kernels/race.ts';
import { callRate, compileVariant, sharedMemory } from './calls.ts';
import type { Task } from './worker.ts';

export interface MeasureOptions {
  variant: Variant;
  threads: number;
  /** Of one measurement; default 60. */
  milliseconds?: number;
  /** The best counts; default 3. */
  repeats?: number;
}

/** 10^9 multiply-accumulates per second. */
export interface Peak {
  /** By the dot steps of a variant. */
  int8: number;
  /** By its multiply-adds. */
  f32: number;
}

const PAGE = 65536;
/** Rounds of 12 steps (assembly/limits.ts): a call of some tens of microseconds. */
const ROUNDS = 10_000;
const STEPS_PER_ROUND = 12;
const DOT_MACS = 16;
const MADD_MACS = 4;
/** What one call reads: V8 replaces the code that it starts with between calls only. */
const READ_CALL = 2 ** 20;
/** More than the caches of most machines hold, over all threads. */
const READ_BYTES = 512 * 2 ** 20;
/** Where a loop leaves its registers: no kernel runs on these memories. */
const RESULT = 32768;

/** What all threads together compute. */
export async function measurePeak(options: MeasureOptions): Promise<Peak> {
  const memory = sharedMemory(1);
  const calls = Array.from({ length: options.threads }, (): [number, number][] => [[ROUNDS, RESULT]]);
  const rate = async (call: Task['call'], macs: number) =>
    ((await best(options, memory, call, calls)) * ROUNDS * STEPS_PER_ROUND * macs) / 1e6;
  return { int8: await rate('spinDots', DOT_MACS), f32: await rate('spinMadds', MADD_MACS) };
}

/** 10^9 bytes per second that all threads together read from memory, each a part of its own. */
export async function measureBandwidth(options: MeasureOptions): Promise<number> {
  const { threads } = options;
  const perThread = Math.max(1, Math.floor(READ_BYTES / threads / READ_CALL));
  const memory = sharedMemory(1 + (perThread * threads * READ_CALL) / PAGE);
  // Pages that nobody has written are all the same page of zeros, which stays in the cache.
  new Uint8Array(memory.buffer).fill(1, PAGE);
  const calls = Array.from({ length: threads }, (_, thread) =>
    Array.from({ length: perThread }, (_, i): [number, number] => [
      PAGE + (thread * perThread + i) * READ_CALL,
      READ_CALL,
    ]),
  );
  return ((await best(options, memory, 'readAll', calls)) * READ_CALL) / 1e6;
}

/** Calls per millisecond of all threads together, the best of the repeats; `args`: of each thread. */
async function best(
  { variant, milliseconds = 60, repeats = 3 }: MeasureOptions,
  memory: WebAssembly.Memory,
  call: Task['call'],
  args: [number, number][][],
): Promise<number> {
  const module = await compileVariant(variant);
  let most = 0;
  for (let repeat = 0; repeat < repeats; repeat++) {
    most = Math.max(most, await callRate({ module, memory, call, args, milliseconds }));
  }
  return most;
}
