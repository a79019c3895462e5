/** What one call of a kernel costs a core: tools/arm/kernel.py, as rows of the results. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { armTool } from '../../../tools/arm/count.ts';
import { callOf, type Subject } from './call.ts';
import { ARM_NODE, PREDICTED_GHZ, type Core } from './cores.ts';
import type { ArmKernelRow } from './results.ts';

const run = promisify(execFile);

/** kernel.py's JSON, as far as it is used. */
export interface KernelCost {
  instructions: number;
  instructionsPer32Weights: number;
  /** Instructions that multiply integers -> how often. */
  multiplications: Record<string, number>;
  /** By llvm-mca's name of a core. */
  predicted: Record<string, { cycles: number | null; gmacs: number | null }>;
}

const LIMIT_MS = 300_000;
/** Rarer ones are not what the dot products are made of. */
const LEAST_SHARE = 0.1;

/** Counts on one core, and predicts for those that execute the same. */
export async function costOf(
  { stage, wasm }: Subject,
  core: Core,
  predicted: readonly Core[],
): Promise<KernelCost> {
  const { numbers, bytes, macs } = callOf(stage, 0, 1);
  const models = [...new Set(predicted.map(({ model }) => model))].join(',');
  const options = ['--macs', `${macs}`, '--cpu', core.cpu, '--models', models, '--ghz', `${PREDICTED_GHZ}`];
  const { stdout } = await run(
    'python3',
    [armTool('kernel.py'), wasm, 'linear', ...numbers.map(String), ...options, '--json'],
    {
      env: { ...process.env, NODE_MAJOR: ARM_NODE, PAGES: String(bytes / 65536) },
      maxBuffer: 2 ** 26,
      timeout: LIMIT_MS,
    },
  );
  return JSON.parse(stdout) as KernelCost;
}

export function kernelRow({ stage, source }: Subject, core: Core, cost: KernelCost): ArmKernelRow {
  const { macs } = callOf(stage, 0, 1);
  const { cycles = null, gmacs = null } = cost.predicted[core.model] ?? {};
  return {
    stage: stage.id,
    kernel: source,
    cpu: core.cpu,
    machine: core.machine,
    instructions: cost.instructions,
    per32Weights: cost.instructionsPer32Weights,
    multiplies: common(cost.multiplications),
    predicted:
      cycles !== null && gmacs !== null
        ? { cyclesPer32Weights: (32 * cycles) / macs, gops: 2 * gmacs }
        : null,
  };
}

function common(counts: Readonly<Record<string, number>>): string[] {
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return Object.entries(counts)
    .filter(([, count]) => count >= LEAST_SHARE * all)
    .sort(([, a], [, b]) => b - a)
    .map(([name]) => name);
}
