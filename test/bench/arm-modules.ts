/** The ARM benchmark's own modules: plain JavaScript, typed here. */
const load = (path: string): Promise<unknown> =>
  import(new URL(`../../bench/arm/${path}`, import.meta.url).href);

type Counts = Record<string, number>;

export interface Budget {
  node: string;
  counts: Record<string, Record<string, number>>;
}

interface Kernel {
  name: string;
  instructions: number;
  by: string;
}

export const { CPUS, PRODUCT, STEPS } = (await load('plan.mjs')) as {
  CPUS: Record<string, { variant: string }>;
  PRODUCT: { rows: number; columns: number };
  STEPS: number;
};

export const { parseOptions } = (await load('options.mjs')) as {
  parseOptions(args: string[], formats: readonly string[]): Record<string, unknown>;
};

export const { balanceOf, checkBudget, goalOf, kernelsOf } = (await load('report.mjs')) as {
  balanceOf(
    counts: ReadonlyMap<string, Counts>,
  ): { workers: number; chunks: number; instructions: number; balance: number }[];
  checkBudget(
    budget: Budget,
    report: Record<string, { kernels: Kernel[]; balance: object[]; token?: number }>,
  ): { over: string[][]; under: number; unknown: string[] };
  goalOf(cpu: string, name: string, native: number | undefined): number | undefined;
  kernelsOf(counts: ReadonlyMap<string, Counts>): Kernel[];
};
