/** A problem: a matrix and vectors with known product, for kernels to solve. */

export interface Shape {
  rows: number;
  columns: number;
  tokens: number;
}

/**
 * Which numbers:
 *   random    what models have
 *   extreme   largest weights and activations, so that sums that do not fit in 16 bits overflow
 *   minimum   scales of 0: only minimums (or biases) are left
 *   single    one activation is not 0, in a place that changes from token to token
 *   nan       the first token's activations are not a number, and so must be its output
 */
export const VALUES = ['random', 'extreme', 'minimum', 'single', 'nan'] as const;
export type Values = (typeof VALUES)[number];

/** What would come out if a common mistake were made, and what to say then. */
export interface Mistake {
  /** Ends the sentence "this is what comes out when ...". */
  when: string;
  hint: string;
  /** tokens x rows; computed only when results are wrong. */
  output: () => Float64Array;
}

export interface Problem extends Shape {
  values: Values;
  weights: Uint8Array;
  activations: Uint8Array;
  /** The product, tokens x rows, in double precision. */
  expected: Float64Array;
  /** Sums of the terms' magnitudes: rounding errors are relative to these. */
  magnitude: Float64Array;
  mistakes: readonly Mistake[];
}

/** The largest error of a sum in f32, relative to the magnitude of its terms: some 100 roundings of 2^-24. */
export const TOLERANCE = 1e-5;
