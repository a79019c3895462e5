/** The engine's host on Node: a piscina pool whose tasks last as long as the model. */
import { Piscina } from 'piscina';
import type { Host, Workers, WorkerSetup } from '../../engine/host.ts';
import type { KernelVariant } from '../../engine/types.ts';
import type { WorkerTask } from './worker.ts';
import { fileSource } from './file-source.ts';
import { builtModule } from './package-root.ts';
import { loadKernelModule } from './variant.ts';

const WORKER = builtModule('src/platform/node/worker');

/**
 * A host that starts its threads and compiles its kernels at once, while the file is still being read; its one model
 * takes them with `start`.
 */
export interface NodeHost extends Host {
  /** Ends the threads where no model took them. */
  release(): Promise<void>;
}

export function startHost(threads: number, variant: KernelVariant): NodeHost {
  const pool = new Piscina({
    filename: WORKER.href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: Infinity,
    // Our tasks never return to piscina between steps, so its own waiting is of no use.
    atomics: 'disabled',
  });
  const kernels = loadKernelModule(variant);
  // Who asks for them is told of a failure; until then it is nobody's.
  kernels.catch(() => undefined);
  let taken = false;
  return {
    open: fileSource,
    kernels: () => kernels,
    start: (setup) => {
      taken = true;
      return startWorkers(pool, setup);
    },
    release: async () => {
      if (!taken) await pool.destroy().catch(() => undefined);
    },
  };
}

function startWorkers(pool: Piscina, setup: WorkerSetup): Workers {
  const tasks = Array.from({ length: setup.threads }, (_, index) => {
    const task: WorkerTask = { setup, index };
    return pool.run(task) as Promise<void>;
  });
  let returned = false;
  const finished = Promise.all(tasks).then(() => {
    returned = true;
  });
  // The engine attaches its own handler; this one keeps an early failure from being "unhandled".
  finished.catch(() => undefined);
  return {
    finished,
    terminate: async () => {
      // close() waits for tasks, which is right once all have returned; destroy() ends threads that still wait.
      if (returned) await pool.close({ force: true }).catch(() => undefined);
      await pool.destroy().catch(() => undefined);
    },
  };
}
