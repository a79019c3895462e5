/**
 * Inputs for kernels that are timed, and what they must make of them: large matrices are some rows over and over, so that
 * the naive twin need not be computed for all.
 */
import { TOLERANCE, createProblem, type Shape } from '../problems/index.ts';
import type { Expected } from '../runner/protocol.ts';
import type { Layout } from '../stages.ts';

/** Rows of the pattern: whole groups of eight. */
const ROWS = 40;

const pattern = (layout: Layout, { columns }: Shape) =>
  createProblem(layout, { rows: ROWS, columns, tokens: 1 }, 'random', 3);

/** Random weights, 40 rows over and over. */
export function fillMatrix(layout: Layout, shape: Shape, to: Uint8Array): void {
  repeat(pattern(layout, shape).weights, to);
}

/** Random activations: one token, over and over. */
export function fillVectors(layout: Layout, shape: Shape, to: Uint8Array): void {
  repeat(pattern(layout, shape).activations, to);
}

/** The outputs of the pattern's rows, and how far off rounding may take them. */
export function expectedOutput(layout: Layout, shape: Shape): Expected {
  const { expected, magnitude } = pattern(layout, shape);
  return { values: expected, margins: magnitude.map((sum) => TOLERANCE * sum + 1e-30) };
}

function repeat(from: Uint8Array, to: Uint8Array): void {
  to.set(from.subarray(0, to.length));
  for (let done = from.length; done < to.length; done *= 2) {
    to.copyWithin(done, 0, Math.min(done, to.length - done));
  }
}
