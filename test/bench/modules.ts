/** The benchmark's own modules: plain JavaScript, which runs without a build on Node 20; typed here. */
import type { WritableGguf } from '../../src/gguf/index.ts';

export interface Metric {
  id: string;
  title: string;
  unit: string;
  better: 'higher' | 'lower' | 'neither';
}

export interface Sample {
  engine: string;
  threads: number;
  round: number;
  result: { values: Record<string, number> };
}

export interface Summary {
  threads: number;
  metric: string;
  engine: string;
  best: number;
  median: number;
  ratioBest?: number;
  ratioMedian?: number;
}

interface Options {
  threads: number[];
  rounds: number;
  full: boolean;
  peers: string[];
  model?: string;
  random?: string;
  onnx?: string;
}

interface Piece {
  bytes: Uint8Array;
  take(total: number): Iterable<Uint8Array>;
}

const load = (path: string): Promise<unknown> => import(new URL(`../../${path}`, import.meta.url).href);

export const { parseOptions } = (await load('bench/peers/options.mjs')) as {
  parseOptions(args: string[], host: { cores: number; peers: readonly string[] }): Options;
};

export const { metricsOf, promptIds, workload } = (await load('bench/peers/plan.mjs')) as {
  metricsOf(plan: object): Metric[];
  promptIds(length: number, vocabulary: number, salt: number): number[];
  workload(options: { prefill: readonly number[]; decode: readonly number[]; timeLimit: number }): {
    contextSize: number;
    prefill: number[];
    decode: object[];
  };
};

export const { cpuMs, peakRss, processTree, pss } = (await load('bench/peers/processes.mjs')) as {
  cpuMs(pids: readonly number[]): number;
  peakRss(pids: readonly number[]): number;
  processTree(root: number): number[];
  pss(pids: readonly number[]): number;
};

export const { median, renderTable, summarize } = (await load('bench/peers/report.mjs')) as {
  median(values: readonly number[]): number;
  renderTable(summary: readonly Summary[], metrics: readonly Metric[]): string;
  summarize(samples: readonly Sample[], metrics: readonly Metric[]): Summary[];
};

export const { f16, randomBits, randomBlocks, RANDOM_TYPES } = (await load(
  'tools/make-model/blocks.mjs',
)) as {
  f16(value: number): number;
  randomBits(seed: number): () => number;
  randomBlocks(type: object, deviation: number, random: () => number): Piece;
  RANDOM_TYPES: readonly string[];
};

/** tools/make-model/shapes.mjs says what these are. */
export interface RandomShape {
  name: string;
  layers: number;
  embedding: number;
  feedForward: number;
  heads: number;
  kvHeads: number;
  vocabulary: number;
  context: number;
  ropeBase: number;
  tied: boolean;
  architecture?: string;
  experts?: {
    count: number;
    used: number;
    feedForward: number;
    shared?: number;
    dense?: number;
    bias?: boolean;
    gated?: boolean;
  };
  latent?: {
    rank: number;
    queryRank?: number;
    plain: number;
    rotary: number;
    value: number;
    together?: boolean;
  };
  metadata?: [key: string, value: number | boolean | string][];
}

interface RandomSpec {
  shape: RandomShape;
  type: string;
}

export const { parseRandomSpec, randomModel, writeRandomModel } = (await load(
  'tools/make-model/random-model.mjs',
)) as {
  parseRandomSpec(text: string): RandomSpec;
  randomModel(spec: RandomSpec, options?: { seed?: number }): Promise<WritableGguf>;
  writeRandomModel(path: string, spec: RandomSpec): Promise<void>;
};
