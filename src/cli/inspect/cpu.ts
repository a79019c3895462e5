/** `nibble inspect cpu`: what this process may use, and what the engine makes of it. */
import { arch, availableParallelism, platform } from 'node:os';
import { hasRelaxedSimd, hasSimd, hasThreads } from '../../kernels/features.ts';
import { cpuFlags, cpuModel, cpuQuota, defaultThreads, physicalCores } from '../../platform/node/cpu.ts';
import { memoryLimit } from '../../platform/node/memory.ts';
import type { CliContext } from '../context.ts';
import { bytesText, numberText } from '../text.ts';
import type { InspectFlags } from './flags.ts';
import { variantChoice } from './variant.ts';

/** The extensions that matter to integer dot products; the whole list is in the JSON. */
const TELLING =
  /^(sse4_1|ssse3|avx|avx2|fma|f16c|avx512f|avx512_vnni|avx_vnni|asimd|asimddp|asimdhp|i8mm|sve|bf16)$/;

export async function inspectCpu(context: CliContext, flags: InspectFlags): Promise<void> {
  // First: it sets the V8 flag without which Node 20 denies relaxed SIMD.
  const choice = await variantChoice(flags.variant);
  const memory = memoryLimit();
  const all = cpuFlags();
  const report = {
    model: cpuModel(),
    architecture: arch(),
    platform: platform(),
    node: process.version,
    v8: process.versions.v8,
    logicalProcessors: availableParallelism(),
    physicalCores: physicalCores(),
    quota: cpuQuota() ?? null,
    threads: defaultThreads(),
    memory,
    features: all,
    wasm: { simd: hasSimd(), relaxedSimd: hasRelaxedSimd(), threads: hasThreads() },
    variant: typeof choice === 'string' ? null : choice.variant,
    variantSource: typeof choice === 'string' ? choice : (choice.source ?? null),
    race: typeof choice === 'string' ? [] : (choice.results ?? []),
  };
  if (flags.json) return context.json(report);
  const yes = (value: boolean): string => (value ? 'yes' : 'no');
  const { wasm } = report;
  const lines = [
    `CPU:          ${report.model} (${report.architecture}, ${report.platform})`,
    `Node:         ${report.node}, V8 ${report.v8}`,
    `processors:   ${report.logicalProcessors} logical, ${report.physicalCores} cores`,
    `quota:        ${report.quota === null ? 'none' : `${numberText(report.quota)} CPUs`}`,
    `threads:      ${report.threads} by default`,
    `memory:       ${bytesText(memory.available)} free of ${bytesText(memory.total)} (${memory.source})`,
    `features:     ${all.filter((flag) => TELLING.test(flag)).join(' ') || 'not known'}`,
    `WebAssembly:  SIMD ${yes(wasm.simd)}, relaxed SIMD ${yes(wasm.relaxedSimd)}, threads ${yes(wasm.threads)}`,
    `kernels:      ${report.variant ?? 'none'}${report.variantSource ? ` (${report.variantSource})` : ''}`,
  ];
  context.print(`${lines.join('\n')}\n`);
}
