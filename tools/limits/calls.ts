/** Calls of one kernel function by several threads at once, timed. */
import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { Variant } from '../../src/kernels/race.ts';
import { PACKAGE_ROOT, builtModule } from '../../src/platform/node/package-root.ts';
import type { Done, Task } from './worker.ts';

/** Until V8's optimizing compiler is done with so small a loop, and clocks have risen. */
const WARM_UP_MS = 60;
const WORKER = builtModule('tools/limits/worker');

export async function compileVariant(variant: Variant): Promise<WebAssembly.Module> {
  const bytes = new Uint8Array(await readFile(new URL(`dist/kernels/${variant}.wasm`, PACKAGE_ROOT)));
  return WebAssembly.compile(bytes);
}

export function sharedMemory(pages: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

export interface CallOptions {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Name of an export of the module, or index in its function table. */
  call: Task['call'];
  /** Arguments of the calls of each thread, one after the other and over again. */
  args: readonly (readonly number[])[][];
  milliseconds: number;
}

/** Calls per millisecond of all threads together. */
export async function callRate({ args, ...common }: CallOptions): Promise<number> {
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const threads = args.length;
  const done = await Promise.all(
    args.map((each) => inWorker({ ...common, gate, threads, args: each, warmUp: WARM_UP_MS })),
  );
  return done.reduce((sum, { calls, milliseconds }) => sum + calls / milliseconds, 0);
}

function inWorker(task: Task): Promise<Done> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORKER, { workerData: task });
    worker.once('message', resolve).once('error', reject);
  });
}
