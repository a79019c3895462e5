/** What a bench found, as it is kept, reported and merged: plain JSON. */
import type { Shape } from '../problems/index.ts';

/** The machine that something was measured on. */
export interface Machine {
  cpu: string;
  arch: string;
  cores: number;
  node: string;
  platform: string;
  memoryBytes: number;
}

/** What the machine can do at most: 10^9 bytes read per second and 10^9 multiply-accumulates of 8 bits. */
export interface Limits {
  one: { gbs: number; gmacs: number };
  all: { gbs: number; gmacs: number };
}

/** One kernel on one shape. */
export interface KernelRow extends Shape {
  stage: string;
  /** Whose kernel: the learner's, or the course's where there is none. */
  kernel: 'lab' | 'solution';
  /** The shape's name: `large`, or the layers of the model. */
  shape: string;
  workers: number;
  milliseconds: number;
  /** 10^9 operations per second; a multiply-accumulate is two. */
  gops: number;
  /** 10^9 bytes of weights per second. */
  gbs: number;
  /** It made wrong results while it was timed. */
  wrong?: boolean;
  /** Stage 09: the engine's own speed on the same weights, in the same run. */
  opponentGops?: number;
}

/** One stage's kernel inside the engine; `none`: the engine's own. */
export interface EndToEndRow {
  stage: string;
  model: string;
  threads: number;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
  timeToFirstTokenMs: number;
  msPerToken: number;
  /** Share of decoding's time that the 4-bit linear layers take. */
  linearShare: number;
}

export interface BenchResults {
  version: 1;
  at: string;
  machine: Machine;
  limits: Limits;
  kernels: KernelRow[];
  endToEnd: EndToEndRow[];
}
