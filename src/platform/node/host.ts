/** The engine's host on Node: a piscina pool whose tasks last as long as the model. */
import { Piscina } from 'piscina';
import type { Host, Workers, WorkerSetup } from '../../engine/host.ts';
import type { WorkerTask } from './worker.ts';
import { fileSource } from './file-source.ts';
import { builtModule } from './package-root.ts';
import { loadKernelModule } from './variant.ts';

const WORKER = builtModule('src/platform/node/worker');

function start(setup: WorkerSetup): Workers {
  const pool = new Piscina({
    filename: WORKER.href,
    minThreads: setup.threads,
    maxThreads: setup.threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: Infinity,
    // Our tasks never return to piscina between steps, so its own waiting is of no use.
    atomics: 'disabled',
  });
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

export const nodeHost: Host = { open: fileSource, start, kernels: loadKernelModule };
