/** What the engine asks of the program that hosts it: threads and files. Node's is in platform/node/host.ts. */
import type { ByteSource } from '../gguf/types.ts';

/** One stretch of a tensor to bring into a segment: rows to repack, or bytes to copy. */
export interface LoadTask {
  segment: number;
  tensor: string;
  /** Which file of the model. */
  shard: number;
  offset: number;
  bytes: number;
  /** Address in the segment's memory. */
  to: number;
  /** Undefined: f32 values, copied as they are. */
  repack?: Repack;
}

/** Rows as the file has them, to be brought into the run-time layout. */
export interface Repack {
  /** Number of the format's kernels. */
  kernel: number;
  rows: number;
  rowBytes: number;
  groupBytes: number;
  units: number;
  /**
   * They become columns, from `first` on, of an F32 matrix with groups of `toBytes`. Scratch: its offset in the stage; see
   * assembly/quant/transpose.ts.
   */
  transpose?: { first: number; columns: number; toBytes: number; scratch: number };
}

export interface SegmentMemory {
  memory: WebAssembly.Memory;
  /** Where workers may put raw bytes while loading: `stageBytes` each. */
  stage: number;
  stageBytes: number;
  /** Hidden state: address, and bytes from one token to the next. */
  hidden: { address: number; stride: number };
}

export interface WorkerSetup {
  module: WebAssembly.Module;
  /** A kernel from outside, to be plugged into the function table: see linear.ts. */
  kernel?: WebAssembly.Module;
  threads: number;
  segments: SegmentMemory[];
  /** The files of the model, by shard. */
  paths: string[];
  tasks: LoadTask[];
  /** Counters of the loading workers: see LOAD_WORDS. */
  load: SharedArrayBuffer;
}

/** Int32 words of WorkerSetup.load. */
export const LOAD_NEXT = 0;
export const LOAD_READY = 1;
/** Not 0: stop loading; LOAD_DAMAGED where a worker found the file to be at fault. */
export const LOAD_STOP = 2;
/** KiB brought in so far. */
export const LOAD_KIB = 3;
export const LOAD_WORDS = 4;
/** Value of LOAD_STOP. */
export const LOAD_DAMAGED = 2;

export interface Workers {
  /** Rejects as soon as a worker dies or throws; resolves when all have returned. */
  readonly finished: Promise<void>;
  /** Ends all threads, also stuck ones. */
  terminate(): Promise<void>;
}

export interface Host {
  /** A file for random reads. */
  open(path: string): Promise<ByteSource>;
  /** Starts workers that load their share, then walk steps until they are stopped. */
  start(setup: WorkerSetup): Workers;
  /** The compiled kernels of the variant that the host was made for. */
  kernels(): Promise<WebAssembly.Module>;
}
