/** Scores of one row of logits. */

export interface RowScore {
  /** -ln p of the token that came. */
  nll: number;
  /** The likeliest token. */
  best: number;
  max: number;
  logSumExp: number;
}

/** Numerically safe: exponentials of differences to the largest logit only. NaN in a row makes all of it NaN. */
export function scoreRow(logits: Float32Array, target: number): RowScore {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  const max = logits[best]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  const logSumExp = Math.log(sum);
  return { nll: max + logSumExp - logits[target]!, best, max, logSumExp };
}

/** How two quantities vary together: for errors of their difference. */
export class Covariance {
  private count = 0;
  private sumA = 0;
  private sumB = 0;
  private products = 0;

  add(a: number, b: number): void {
    this.count++;
    this.sumA += a;
    this.sumB += b;
    this.products += a * b;
  }

  /** Of the two means. */
  get ofMeans(): number {
    const { count, sumA, sumB, products } = this;
    return count > 1 ? (products / count - (sumA / count) * (sumB / count)) / (count - 1) : 0;
  }
}

/** A running mean with the standard error of that mean. */
export class Mean {
  count = 0;
  private sum = 0;
  private squares = 0;

  add(value: number): void {
    this.count++;
    this.sum += value;
    this.squares += value * value;
  }

  get total(): number {
    return this.sum;
  }

  get mean(): number {
    return this.count > 0 ? this.sum / this.count : NaN;
  }

  /** sqrt(variance / (n - 1)), as llama-perplexity has it. */
  get error(): number {
    const variance = this.squares / this.count - this.mean ** 2;
    return this.count > 1 && variance > 0 ? Math.sqrt(variance / (this.count - 1)) : 0;
  }
}
