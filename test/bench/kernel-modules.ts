/** The kernel benchmark's own modules: plain JavaScript, typed here. */
import type { WeightFormat } from '../../src/kernels/formats.ts';

const load = (path: string): Promise<unknown> => import(new URL(`../../${path}`, import.meta.url).href);

export interface Row {
  kernel: string;
  format: string;
  variant: string;
  rows: number;
  columns: number;
  tokens: number;
  threads: number;
  cold: boolean;
  samples: number[];
}

export const { describeSamples, speedUp, studentT } = (await load('bench/kernels/statistics.mjs')) as {
  describeSamples(samples: readonly number[]): { mean: number; median: number; best: number; rme: number };
  speedUp(base: readonly number[], samples: readonly number[]): { ratio: number; low: number; high: number };
  studentT(freedom: number): number;
};

export const { parseOptions } = (await load('bench/kernels/options.mjs')) as {
  parseOptions(
    args: string[],
    known: { cores: number; formats: readonly string[]; variants: readonly string[] },
  ): Record<string, unknown>;
};

export const { casesOf } = (await load('bench/kernels/cases.mjs')) as {
  casesOf(
    options: object,
    formats: readonly WeightFormat[],
  ): { kernel: string; format: WeightFormat; columns: number; tokens: number; threads: number }[];
};

export const { compareRows } = (await load('bench/kernels/report.mjs')) as {
  compareRows(base: readonly Row[], rows: readonly Row[]): { ratio: number; verdict: string }[];
};

interface Shape {
  format: WeightFormat;
  rows: number;
  columns: number;
  tokens: number;
  threads: number;
  copies: number;
  slow?: number;
}

export const { Matmul, MATMUL_FORMATS } = (await load('bench/matmul.mjs')) as {
  Matmul: new (
    module: WebAssembly.Module,
    shape: Shape,
  ) => {
    weightBytes: number;
    ready(): Promise<void>;
    step(): void;
    chunksTaken(): number;
    slowCalls(): number;
    output(): Float32Array;
    close(): Promise<void>;
  };
  MATMUL_FORMATS: readonly WeightFormat[];
};
