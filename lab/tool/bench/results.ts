/** What a bench found, as it is kept and merged: plain JSON. */
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

/** One kernel on one shape. */
export interface KernelRow extends Shape {
  stage: string;
  /** Whose kernel: the learner's, or the course's where there is none. */
  kernel: 'yours' | 'solution';
  workers: number;
  milliseconds: number;
  /** 10^9 operations per second; a multiply-accumulate is two. */
  gops: number;
  /** 10^9 bytes of weights per second. */
  gbs: number;
}

/** One stage's kernel inside the engine. */
export interface EndToEndRow {
  stage: string;
  model: string;
  threads: number;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
  timeToFirstTokenMs: number;
  msPerToken: number;
  /** Share of the workers' time in decoding that the stage's kernel takes. */
  linearShare: number;
}

export interface BenchResults {
  version: 1;
  at: string;
  machine: Machine;
  /** Measured read bandwidth, 10^9 bytes per second: one worker, and all. */
  bandwidth: { one: number; all: number; workers: number };
  kernels: KernelRow[];
  endToEnd: EndToEndRow[];
}
