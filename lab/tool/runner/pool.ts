/** Threads that run kernels, under a time limit: when it is over they are ended, whatever they do. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { LabError } from '../errors.ts';
import { compiled } from '../paths.ts';
import { syncBytes, type Call, type Reply, type Request, type Timed, type Times } from './protocol.ts';

/** A WebAssembly trap in a kernel: out of bounds, division by zero, unreachable. */
export class TrapError extends LabError {
  constructor(message: string) {
    super('ERR_LAB_TRAP', message);
  }
}

export class Pool {
  private readonly threads: Worker[] = [];
  private kernels = 0;

  /** The first `count` threads; those that are missing are started. */
  private async use(count: number): Promise<Worker[]> {
    while (this.threads.length < count) {
      const thread = new Worker(compiled('runner/thread'));
      thread.unref();
      this.threads.push(thread);
    }
    return this.threads.slice(0, count);
  }

  /** Makes a kernel known to `threads` threads, on a memory; returns its number. */
  async load(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    threads: number,
    limit: number,
  ): Promise<number> {
    const kernel = this.kernels++;
    const all = await this.use(threads);
    await this.ask(
      all.map((thread) => [thread, { kind: 'load', kernel, module, memory }]),
      limit,
    );
    return kernel;
  }

  /** Runs workers first .. last - 1 one after the other. */
  async run(
    kernel: number,
    call: Call,
    { first = 0, last = 1, workers = 1 }: { first?: number; last?: number; workers?: number },
    limit: number,
  ): Promise<void> {
    const [thread] = await this.use(1);
    await this.ask([[thread!, { kind: 'run', kernel, call, first, last, workers }]], limit);
  }

  /** Runs `workers` workers at once, `times` times. */
  async together(kernel: number, call: Call, workers: number, times: number, limit: number): Promise<void> {
    const sync = new SharedArrayBuffer(syncBytes(workers));
    const threads = await this.use(workers);
    await this.ask(
      threads.map((thread, worker) => [
        thread,
        { kind: 'together', kernel, call, worker, workers, times, sync },
      ]),
      limit,
    );
  }

  /** Times kernels in turn, and looks at what they make; an entry per kernel. */
  async time(timed: Timed[], rounds: number, limit: number): Promise<Times[]> {
    const count = Math.max(...timed.map(({ workers }) => workers));
    const sync = new SharedArrayBuffer(syncBytes(count));
    const threads = await this.use(count);
    const replies = await this.ask(
      threads.map((thread, worker) => [
        thread,
        { kind: 'time', timed, worker, threads: count, rounds, sync },
      ]),
      limit,
    );
    return replies[0]!;
  }

  private async ask(requests: [Worker, Request][], limit: number): Promise<Times[][]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        // A loop without end: only ending the thread helps.
        void this.close();
        reject(
          new LabError('ERR_LAB_TIME', `the kernel did not return within ${(limit / 1000).toFixed(1)} s`),
        );
      }, limit);
    });
    const replies = requests.map(async ([thread, request]) => {
      const answered = once(thread, 'message') as Promise<[Reply]>;
      thread.postMessage(request);
      return (await answered)[0];
    });
    try {
      const all = await Promise.race([Promise.all(replies), late]);
      const failed = all.find((reply) => !reply.ok);
      if (failed && !failed.ok) throw new TrapError(failed.message);
      return all.map((reply) => (reply.ok ? (reply.times ?? []) : []));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends all threads; the next call starts new ones, which know no kernel. */
  async close(): Promise<void> {
    const threads = this.threads.splice(0);
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}
