/** The machine that a bench runs on, and what it can do at most. */
import { totalmem } from 'node:os';
import { cpuModel, physicalCores } from '../../../src/platform/node/cpu.ts';
import { setV8Flags } from '../../../src/platform/node/v8-flags.ts';
import { measureBandwidth, measurePeak } from '../../../tools/limits/measure.ts';
import type { Limits, Machine } from './results.ts';

export function describeMachine(): Machine {
  return {
    cpu: cpuModel(),
    arch: process.arch,
    cores: physicalCores(),
    node: process.versions.node,
    platform: process.platform,
    memoryBytes: totalmem(),
  };
}

/** Arithmetic and bandwidth of one thread and of `threads`. */
export async function measureLimits(threads: number): Promise<Limits> {
  const variant = setV8Flags() ? 'dot2' : 'simd';
  const of = async (count: number) => ({
    gbs: await measureBandwidth({ variant, threads: count }),
    gmacs: (await measurePeak({ variant, threads: count })).int8,
  });
  const one = await of(1);
  return { one, all: threads > 1 ? await of(threads) : one };
}
