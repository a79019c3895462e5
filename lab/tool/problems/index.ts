/** Problems for each layout of weights. */
import type { Layout } from '../stages.ts';
import { int8ActivationBytes, int8Problem, int8WeightBytes } from './int8.ts';
import { q4ActivationBytes, q4Problem, q4WeightBytes } from './q4.ts';
import type { Problem, Shape, Values } from './types.ts';

export * from './types.ts';

/** A problem with its numbers drawn from `seed`. */
export function createProblem(layout: Layout, shape: Shape, values: Values, seed: number): Problem {
  return layout === 'int8' ? int8Problem(shape, values, seed) : q4Problem(layout, shape, values, seed);
}

/** Bytes of a matrix in a layout. */
export function weightBytes(layout: Layout, { rows, columns }: Shape): number {
  return layout === 'int8' ? int8WeightBytes(rows, columns) : q4WeightBytes(rows, columns);
}

/** Bytes of a call's activations. */
export function activationBytes(layout: Layout, { columns, tokens }: Shape): number {
  return layout === 'int8' ? int8ActivationBytes(columns, tokens) : q4ActivationBytes(columns, tokens);
}
