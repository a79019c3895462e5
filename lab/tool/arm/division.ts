/**
 * Instructions of each of 1, 2 and 4 workers: an emulator cannot time threads. A static division is counted worker by
 * worker. Where chunks come from the counter, every chunk is counted, and each goes to the worker that is free first.
 */
import { fileURLToPath } from 'node:url';
import { imbalance, shareOut } from '../../../tools/arm/balance.ts';
import { countNode, type Counts } from '../../../tools/arm/count.ts';
import { compiled } from '../paths.ts';
import { callOf, type Subject } from './call.ts';
import { ARM_NODE, type Core } from './cores.ts';
import type { DivisionRow } from './results.ts';

const WORKERS = [1, 2, 4];
/** Chunks of the counter, or shares, should be so even. */
export const MOST_IMBALANCE = 1.1;

/** What the emulated program is given: every call of `linear` with its workers. */
export interface DivisionRequest {
  wasm: string;
  calls: { workers: number; worker: number; numbers: number[]; counter: number; bytes: number }[];
}

export async function countDivision({ stage, wasm }: Subject, core: Core): Promise<DivisionRow[]> {
  const calls = WORKERS.flatMap((workers) =>
    Array.from({ length: workers }, (_, worker) => ({ workers, worker, ...callOf(stage, worker, workers) })),
  );
  const counts = await countNode(core.cpu, fileURLToPath(compiled('arm/guest-division')), {
    nodeMajor: ARM_NODE,
    args: [JSON.stringify({ wasm, calls } satisfies DivisionRequest)],
    // V8 compiles and collects garbage in threads of its own: nothing to do with a kernel.
    env: { COUNT_THREAD: 'on' },
  });
  return WORKERS.map((workers) => {
    const { chunks, perWorker } = perWorkerOf(counts, workers);
    return {
      stage: stage.id,
      cpu: core.cpu,
      workers,
      chunks,
      perWorker,
      balance: imbalance(perWorker),
      criticalPath: Math.max(...perWorker),
    };
  });
}

/** From counts by `WORKERS:WORKER` (static) or `WORKERS:from:K`, what worker 0 executes from chunk K on. */
export function perWorkerOf(
  counts: ReadonlyMap<string, Counts>,
  workers: number,
): { chunks: number; perWorker: number[] } {
  const totalOf = (tag: string) => counts.get(tag)?.['total'];
  const from: number[] = [];
  for (;;) {
    const total = totalOf(`${workers}:from:${from.length}`);
    if (total === undefined) break;
    from.push(total);
  }
  if (from.length === 0) {
    const perWorker = Array.from({ length: workers }, (_, worker) => totalOf(`${workers}:${worker}`) ?? NaN);
    return { chunks: 0, perWorker };
  }
  // The last one finds no chunk: what every worker's call costs in any case.
  const none = from.at(-1)!;
  const chunks = from.slice(0, -1).map((total, k) => total - from[k + 1]!);
  return { chunks: chunks.length, perWorker: shareOut(chunks, workers).map((sum) => sum + none) };
}
