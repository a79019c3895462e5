/** From the vectors of a text's tokens to one vector of the text. */
import { UsageError } from '../errors.ts';
import { findCount, type Metadata } from '../gguf/metadata.ts';
import type { Pooling } from './architectures/types.ts';

/** GGUF's `pooling_type` by number; 0 leaves tokens apart, 4 is a classifier's. */
const POOLINGS: readonly (Pooling | undefined)[] = [undefined, 'mean', 'cls', 'last', undefined];

/** What the file asks for, if anything. */
export function readPooling(metadata: Metadata, architecture: string): Pooling | undefined {
  return POOLINGS[findCount(metadata, `${architecture}.pooling_type`) ?? 0];
}

/** Takes the vectors of a text's tokens in order; sums are made in f64. */
export class Pool {
  private readonly kind: Pooling;
  private readonly sums: Float64Array;
  private count = 0;

  /** @throws UsageError for a kind that is none */
  constructor(kind: Pooling, width: number) {
    if (!(['mean', 'cls', 'last'] satisfies Pooling[]).includes(kind)) {
      throw new UsageError(`pooling must be mean, cls, last or none, not ${JSON.stringify(kind)}`);
    }
    this.kind = kind;
    this.sums = new Float64Array(width);
  }

  add(row: Float32Array): void {
    if (this.kind === 'mean') row.forEach((value, i) => (this.sums[i]! += value));
    else if (this.kind === 'last' || this.count === 0) this.sums.set(row);
    this.count++;
  }

  /** The vector, of length 1 where `normalize` says so; zeros stay zeros. */
  vector(normalize: boolean): Float32Array {
    const divisor = this.kind === 'mean' ? this.count : 1;
    const length = normalize ? Math.hypot(...this.sums) : divisor;
    return Float32Array.from(this.sums, (sum) => (length > 0 ? sum / length : 0));
  }
}

/** Cosine of the angle between two vectors; 0 where one of them is zero. */
export function cosineSimilarity(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new UsageError(`vectors of ${a.length} and ${b.length} values`);
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    squaresA += a[i]! ** 2;
    squaresB += b[i]! ** 2;
  }
  return dot === 0 ? 0 : dot / Math.sqrt(squaresA * squaresB);
}
