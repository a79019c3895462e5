/** Weights in memory: which ops read which, and their bytes in row groups. */
import { groupBytes } from '../../kernels/formats.ts';
import type { Op } from '../program.ts';
import type { Weight } from '../weights.ts';
import type { Addresses } from './addresses.ts';
import { padded } from './buffers.ts';

/** Bytes of the run-time form of a weight, or of one of its parts. */
export function partBytes(weight: Weight): number {
  if (!weight.format) return padded(weight.columns) * 4;
  return groupBytes(weight.format, weight.columns) * Math.ceil(weight.rows / 8);
}

/** Bytes of the run-time form of a weight. */
export function weightBytes(weight: Weight): number {
  return partBytes(weight) * (weight.parts?.count ?? 1);
}

/** The weights that an op reads. */
export function weightsOf(op: Op): Weight[] {
  switch (op.kind) {
    case 'embed':
      return [op.weight];
    case 'activate':
    case 'norm':
    case 'addNorm':
      return [op.norm?.weight, op.norm?.bias].filter((weight) => weight !== undefined);
    case 'matmul':
      return [op.weight, op.up, op.bias, op.scale?.rows].filter((weight) => weight !== undefined);
    case 'expertMatmul':
      return [op.weight, op.up].filter((weight) => weight !== undefined);
    case 'headMatmul':
    case 'linear':
      return [op.weight];
    case 'settle':
      return op.bias ? [op.bias] : [];
    case 'latent':
      return [op.kNorm];
    case 'route':
      return op.bias ? [op.bias] : [];
    case 'rotate':
      return [op.qNorm, op.kNorm].filter((weight) => weight !== undefined);
    default:
      return [];
  }
}

/** An address for each weight, once: vectors first, then matrices. */
export function placeWeights(addresses: Addresses, weights: readonly Weight[]): Map<string, number> {
  const places = new Map<string, number>();
  for (const weight of [...weights.filter((w) => !w.format), ...weights.filter((w) => w.format)]) {
    if (!places.has(weight.key)) places.set(weight.key, addresses.take(weightBytes(weight)));
  }
  return places;
}
