/** Inputs for kernels that are timed: their values do not matter, as long as no scale is subnormal or not finite. */
import { createProblem, type Shape } from '../problems/index.ts';
import type { Layout } from '../stages.ts';

/** Rows of the pattern that a large matrix is filled with. */
const ROWS = 8;

/** Random weights: eight rows, over and over. */
export function fillMatrix(layout: Layout, { columns }: Shape, to: Uint8Array): void {
  repeat(createProblem(layout, { rows: ROWS, columns, tokens: 1 }, 'random', 3).weights, to);
}

/** Random activations: one token, over and over. */
export function fillVectors(layout: Layout, { columns }: Shape, to: Uint8Array): void {
  repeat(createProblem(layout, { rows: ROWS, columns, tokens: 1 }, 'random', 5).activations, to);
}

function repeat(pattern: Uint8Array, to: Uint8Array): void {
  to.set(pattern.subarray(0, to.length));
  for (let done = pattern.length; done < to.length; done *= 2) {
    to.copyWithin(done, 0, Math.min(done, to.length - done));
  }
}
