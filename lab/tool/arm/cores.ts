/** The ARM cores that kernels are counted on, and the machines that they are known from. */
import type { Variant } from '../../../src/kernels/race.ts';

export interface Core {
  /** What the emulator calls it. */
  cpu: string;
  machine: string;
  /** The core that executes the same instructions of V8's: it is counted where this one is not. */
  like?: string;
  /** llvm-mca's model that predicts cycles. */
  model: string;
  /** The engine's kernels that are best there. */
  variant: Variant;
}

export const CORES: readonly Core[] = [
  // llvm-mca has no model of its own for it; Neoverse-N1 is the same design for servers.
  { cpu: 'cortex-a76', machine: 'Raspberry Pi 5', model: 'neoverse-n1', variant: 'dot4' },
  { cpu: 'cortex-a72', machine: 'Raspberry Pi 4', model: 'cortex-a72', variant: 'dot2' },
  { cpu: 'neoverse-n1', machine: 'Graviton2', like: 'cortex-a76', model: 'neoverse-n1', variant: 'dot4' },
  { cpu: 'neoverse-v1', machine: 'Graviton3', like: 'neoverse-n1', model: 'neoverse-v1', variant: 'dot4' },
];

/** Those that are emulated; what V8 does on Neoverse-V1 it does on N1, whose instructions it may use. */
export const EMULATED: readonly string[] = ['cortex-a76', 'cortex-a72', 'neoverse-n1'];

/** The emulated core whose counts are this one's as well. */
export function countedOn(core: Core, emulated: readonly string[] = EMULATED): string {
  if (emulated.includes(core.cpu)) return core.cpu;
  const like = CORES.find(({ cpu }) => cpu === core.like);
  if (!like) throw new RangeError(`${core.cpu} is not among the emulated cores, nor is one like it`);
  return countedOn(like, emulated);
}

/** The Node whose code is counted. */
export const ARM_NODE = '24';

/** Cycles do not depend on it, rates do. */
export const PREDICTED_GHZ = 2.4;

/** `--arm` on an ARM machine measures time there; elsewhere, instructions are counted in an emulator. */
export function armMeans(arch: string = process.arch): 'measure' | 'emulate' {
  return arch === 'arm64' ? 'measure' : 'emulate';
}
