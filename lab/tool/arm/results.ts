/** What `bench --arm` counts and predicts, as it is kept, reported and merged: plain JSON. */
import type { Source } from '../kernel.ts';

/** One kernel on one core. */
export interface ArmKernelRow {
  stage: string;
  kernel: Source;
  cpu: string;
  machine: string;
  /** Executed by one call, one worker. */
  instructions: number;
  /** Of one row and one token. */
  per32Weights: number;
  /** NEON or scalar instructions that multiply integers, the commonest first: `sdot`, `smull` .. */
  multiplies: string[];
  /** PREDICTED by llvm-mca, for data in the first-level cache; null where it cannot. */
  predicted: { cyclesPer32Weights: number; gops: number } | null;
}

/** How the work of a call falls to workers, in instructions. */
export interface DivisionRow {
  stage: string;
  cpu: string;
  workers: number;
  /** Chunks that are taken from the counter; 0: a static division. */
  chunks: number;
  perWorker: number[];
  /** Largest / mean. */
  balance: number;
  criticalPath: number;
}

/** The model with a kernel in its 4-bit layers, one thread. */
export interface ArmTokenRow {
  /** `lab:STAGE` or `solution:STAGE`; `nibble`: the engine's own. */
  stage: string;
  cpu: string;
  machine: string;
  model: string;
  /** Millions of instructions per token of a prompt, and per generated token. */
  prefill: number;
  decode: number;
}

export interface ArmResults {
  version: 1;
  /** Counts and predictions: no time was measured. */
  emulated: true;
  at: string;
  /** The ARM64 Node. */
  node: string;
  ghz: number;
  shape: { rows: number; columns: number };
  kernels: ArmKernelRow[];
  divisions: DivisionRow[];
  tokens: ArmTokenRow[];
}
