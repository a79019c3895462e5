/**
 * The tokens still in the race, as parallel arrays of which the first `size` entries count: sampling a token
 * allocates nothing. Samplers (truncate.ts, temperature.ts, penalties.ts) change it in place, one after another.
 */
import { ModelError } from '../../errors.ts';
import { expNegative } from './exp.ts';

export class Candidates {
  /** Token ids. */
  readonly ids: Int32Array;
  readonly logits: Float32Array;
  /** e^(logit - max): probabilities up to the factor 1 / sum. Filled by `weigh()`. */
  readonly weights: Float64Array;
  /** Scratch: what a sampler sorts by, smallest first. */
  readonly keys: Float64Array;
  size = 0;
  /** Nothing was removed or moved yet: the candidate at index i is token i. */
  dense = false;
  readonly #identity: Int32Array;

  constructor(capacity: number) {
    this.ids = new Int32Array(capacity);
    this.logits = new Float32Array(capacity);
    this.weights = new Float64Array(capacity);
    this.keys = new Float64Array(capacity);
    this.#identity = Int32Array.from({ length: capacity }, (_, i) => i);
  }

  get capacity(): number {
    return this.ids.length;
  }

  /** Starts over with the whole vocabulary; `logits` is copied. */
  load(logits: Float32Array): this {
    this.logits.set(logits);
    this.ids.set(
      logits.length === this.capacity ? this.#identity : this.#identity.subarray(0, logits.length),
    );
    this.size = logits.length;
    this.dense = true;
    return this;
  }

  /** Index of the largest logit, the first of equals. */
  best(): number {
    const { logits, size } = this;
    let best = 0;
    let max = logits[0]!;
    for (let i = 1; i < size; i++) {
      if (logits[i]! > max) {
        max = logits[i]!;
        best = i;
      }
    }
    return best;
  }

  /**
   * Fills `weights`: a softmax without its division, which no sampler needs and which would be another pass.
   * Fails with a ModelError when nothing can be drawn, as when biases of -Infinity ban every token.
   */
  weigh(): { max: number; sum: number } {
    const { logits, weights, size } = this;
    const max = logits[this.best()]!;
    if (!Number.isFinite(max)) {
      throw new ModelError('no token can be drawn: the logit biases and penalties ban all of them');
    }
    let sum = 0;
    for (let i = 0; i < size; i++) {
      const w = expNegative(logits[i]! - max);
      weights[i] = w;
      sum += w;
    }
    return { max, sum };
  }

  /** Moves candidate `from` to index `to`, overwriting what was there: for compacting. */
  move(from: number, to: number): void {
    this.ids[to] = this.ids[from]!;
    this.logits[to] = this.logits[from]!;
    this.weights[to] = this.weights[from]!;
    this.keys[to] = this.keys[from]!;
  }

  swap(i: number, j: number): void {
    const id = this.ids[i]!;
    const logit = this.logits[i]!;
    const weight = this.weights[i]!;
    const key = this.keys[i]!;
    this.move(j, i);
    this.ids[j] = id;
    this.logits[j] = logit;
    this.weights[j] = weight;
    this.keys[j] = key;
  }

  /** Keeps the candidates whose logit is at least `threshold`, in their order. */
  keepAtLeast(threshold: number): void {
    const { ids, logits, size } = this;
    let kept = 0;
    for (let i = 0; i < size; i++) {
      if (logits[i]! >= threshold) {
        ids[kept] = ids[i]!;
        logits[kept] = logits[i]!;
        kept++;
      }
    }
    if (kept < size) this.dense = false;
    this.size = kept;
  }
}

/**
 * Entropy of the weighted candidates minus ln sum, in nats: the mean of max - logit. (H = mean of -ln p, and
 * -ln p = ln sum + max - logit.)
 */
export function entropyAbove(c: Candidates, max: number, sum: number): number {
  const { logits, weights, size } = c;
  let total = 0;
  for (let i = 0; i < size; i++) if (weights[i]! > 0) total += weights[i]! * (max - logits[i]!);
  return total / sum;
}

let shared: Candidates | undefined;

/**
 * Work space for one synchronous call, shared by all samplers of the process: no call keeps state in it, and a
 * server with a hundred conversations does not hold a hundred copies of 28 bytes per vocabulary entry.
 */
export function workspace(vocabularySize: number): Candidates {
  if (!shared || shared.capacity < vocabularySize) shared = new Candidates(vocabularySize);
  return shared;
}
