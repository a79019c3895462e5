/** The ARM cores that kernels are counted on, and the machines that they are known from. */
import type { Variant } from '../../../src/kernels/race.ts';

export interface Core {
  cpu: string;
  machine: string;
  /** What the emulator runs; undefined: it cannot be this core, whose instructions are those of `like`. */
  emulated?: string;
  like?: string;
  /** llvm-mca's model that predicts cycles. */
  model: string;
  /** The engine's kernels that are best there. */
  variant: Variant;
}

export const CORES: readonly Core[] = [
  // llvm-mca has no model of its own for it; Neoverse-N1 is the same design for servers.
  {
    cpu: 'cortex-a76',
    machine: 'Raspberry Pi 5',
    emulated: 'cortex-a76',
    model: 'neoverse-n1',
    variant: 'dot4',
  },
  {
    cpu: 'cortex-a72',
    machine: 'Raspberry Pi 4',
    emulated: 'cortex-a72',
    model: 'cortex-a72',
    variant: 'dot2',
  },
  {
    cpu: 'neoverse-n1',
    machine: 'Graviton2',
    emulated: 'neoverse-n1',
    model: 'neoverse-n1',
    variant: 'dot4',
  },
  { cpu: 'neoverse-v1', machine: 'Graviton3', like: 'neoverse-n1', model: 'neoverse-v1', variant: 'dot4' },
];

/** The Node whose code is counted. */
export const ARM_NODE = '24';

/** Cycles do not depend on it, rates do. */
export const PREDICTED_GHZ = 2.4;

/** `--arm` on an ARM machine measures time there; elsewhere, instructions are counted in an emulator. */
export function armMeans(arch: string = process.arch): 'measure' | 'emulate' {
  return arch === 'arm64' ? 'measure' : 'emulate';
}
