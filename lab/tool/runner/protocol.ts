/** What the lab and the threads that run kernels say to each other. */

/** Arguments of `linear`, without those that say who the worker is. */
export interface Call {
  weights: number;
  activations: number;
  output: number;
  rows: number;
  columns: number;
  tokens: number;
  counter: number;
  /** Of worker 0; the others' follow, SCRATCH_BYTES apart. */
  scratch: number;
}

/** Outputs of the first rows, which all others repeat, and how far off each may be. */
export interface Expected {
  values: Float64Array;
  margins: Float64Array;
}

/** One kernel with its call, as one of several that are timed in turn. */
export interface Timed {
  kernel: number;
  call: Call;
  /** How many of the threads take part. */
  workers: number;
  /** What every call must make: a kernel that does less when it is timed would be the fastest. */
  expected: Expected;
}

/** Milliseconds of each round, and whether any round's output was wrong. */
export interface Times {
  milliseconds: number[];
  wrong: boolean;
}

export type Request =
  /** Instantiates kernel number `kernel` on a memory. */
  | { kind: 'load'; kernel: number; module: WebAssembly.Module; memory: WebAssembly.Memory }
  /** Runs workers `first` .. `last - 1` one after the other in this thread, `times` times. */
  | { kind: 'run'; kernel: number; call: Call; first: number; last: number; workers: number }
  /** Runs one worker together with other threads, `times` times, each round after all have ended the one before. */
  | {
      kind: 'together';
      kernel: number;
      call: Call;
      worker: number;
      workers: number;
      times: number;
      sync: SharedArrayBuffer;
    }
  /** Times kernels in turn; worker 0 resets the counters and holds the watch. */
  | {
      kind: 'time';
      timed: Timed[];
      worker: number;
      threads: number;
      rounds: number;
      sync: SharedArrayBuffer;
    };

export type Reply =
  | { ok: true; times?: Times[] }
  /** A trap of WebAssembly, in its own words. */
  | { ok: false; message: string };

/** Words of the shared buffer `sync`. */
export const ARRIVED = 0;
export const ROUND = 1;
export const FAILED = 2;
/** Behind the words: when each thread began and ended a round, f64 milliseconds of one clock. */
export const CLOCKS_AT = 64;

export function syncBytes(threads: number): number {
  return CLOCKS_AT + 16 * threads;
}
