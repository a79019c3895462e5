import { arch } from 'node:os';
import { VARIANTS } from '../../src/kernels/race.ts';

/**
 * Variants that compute what they should here. V8 11.3 (Node 20) on x64 compiles dot4's instruction wrongly in
 * its baseline compiler: a scratch register may be the accumulator. The optimizing compiler is right.
 */
export const SOUND = VARIANTS.filter(
  (variant) => !(variant === 'dot4' && arch() === 'x64' && process.versions.node.startsWith('20.')),
);
