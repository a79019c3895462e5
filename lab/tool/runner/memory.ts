/**
 * Addresses in the memory that kernels of the lab run on. Between the buffers lie fences that hold a pattern; what a
 * kernel changes there it should not have written, and results that depend on the pattern come from reading there.
 *
 *   0 .. STATIC_BASE | the module's constants | .. FIRST | fence | buffer | fence | buffer | fence ..
 */
import { LINEAR_SCRATCH, LINEAR_STATICS, LINEAR_STATICS_END } from '../../../src/engine/linear.ts';

/** Constants of a kernel's module (asc --memoryBase); the engine leaves this range free. */
export const STATIC_BASE = LINEAR_STATICS;
export const STATIC_END = LINEAR_STATICS_END;
/** Where buffers may begin. */
const FIRST = 0x10000;
const FENCE = 4096;
const PAGE = 65536;

export const SCRATCH_BYTES = LINEAR_SCRATCH;

/** Bytes of a call's buffers. */
export interface Sizes {
  weights: number;
  activations: number;
  output: number;
  /** Workers, each with a scratch of its own. */
  workers: number;
}

export type Buffer3 = 'weights' | 'activations' | 'output';

export interface Placement extends Record<Buffer3, number> {
  counter: number;
  /** Worker 0's scratch; the others' follow. */
  scratch: number;
  /** All in all, a multiple of 64 KiB. */
  bytes: number;
}

/** Lays out a call. The buffer named by `last` ends where the memory ends: to read beyond it is a trap. */
export function place(sizes: Sizes, last?: Buffer3): Placement {
  let top = FIRST;
  const take = (bytes: number) => {
    const at = top + FENCE;
    top = at + Math.ceil(bytes / 16) * 16;
    return at;
  };
  const addresses = { weights: 0, activations: 0, output: 0 };
  for (const name of ['weights', 'activations', 'output'] as const) {
    if (name !== last) addresses[name] = take(sizes[name]);
  }
  const counter = take(64);
  const scratch = take(SCRATCH_BYTES * sizes.workers);
  const end = top + FENCE + (last ? sizes[last] : 0);
  const bytes = Math.ceil(end / PAGE) * PAGE;
  if (last) addresses[last] = bytes - sizes[last];
  return { ...addresses, counter, scratch, bytes };
}

/** A memory that cannot grow, or a kernel could make it larger instead of trapping. */
export function createMemory(bytes: number): WebAssembly.Memory {
  const pages = bytes / PAGE;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}
