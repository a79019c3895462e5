/**
 * Importance matrices: for every matrix W of a model, how large its inputs are. A channel with a large sum of squares
 * counts more when W is quantized. Only the diagonal of X^T X is kept, so "matrix" is a name from the past.
 */

export interface ImatrixEntry {
  /** Sums of x^2 by column of W, one matrix (expert) after the other: [parts x columns]. */
  squares: Float32Array;
  /** Rows that each matrix has seen. Old files have but one count for all. */
  counts: Float32Array;
}

export interface Imatrix {
  /** Where it was read from, or is to be written to. */
  name: string;
  entries: Map<string, ImatrixEntry>;
  /** Files of calibration text. */
  datasets: string[];
  chunks: number;
  /** Tokens per chunk; 0 where an old file does not say. */
  chunkSize: number;
}

/** Mean squares: what quantizers weigh errors with. Columns of an expert that has seen nothing count 1. */
export function importanceOfColumns({ squares, counts }: ImatrixEntry): Float32Array {
  const columns = squares.length / counts.length;
  return squares.map((sum, i) => {
    const count = counts[Math.floor(i / columns)]!;
    return count > 0 ? sum / count : 1;
  });
}
