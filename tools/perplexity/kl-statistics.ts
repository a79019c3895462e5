/**
 * How one model departs from another on the same text, with the quantities of llama-perplexity's --kl-divergence:
 * the KL divergence of its distributions, the change of the probability of the token that came, and the ratio of
 * the perplexities, whose error is small because both models saw the same tokens.
 */
import { percentile } from '../statistics.ts';
import { Covariance, Mean, type RowScore } from './score.ts';

export interface Spread {
  max: number;
  p999: number;
  p99: number;
  p95: number;
  median: number;
  p10: number;
  p5: number;
  p1: number;
  min: number;
}

export interface KlResult extends Spread {
  /** KL divergence from the base, in nats, per token. */
  mean: number;
  error: number;
  /** Share of positions at which both models hold the same token for the likeliest, in percent. */
  topAgreement: number;
  topAgreementError: number;
  basePerplexity: number;
  basePerplexityError: number;
  /** ln(perplexity / base perplexity), the ratio and the difference. */
  logRatio: number;
  logRatioError: number;
  ratio: number;
  ratioError: number;
  difference: number;
  differenceError: number;
  /** Of the log probabilities of the tokens that came, in percent. */
  correlation: number;
  /** Change of the probability of the token that came, in percentage points. */
  deltaP: Spread & { mean: number; error: number; rms: number; rmsError: number };
}

/** The same token may come out exp(16) times as likely; what lies below counts for nothing. */
const LEAST_LOG_PROBABILITY = -16;

export class KlStatistics {
  readonly #divergences: number[] = [];
  readonly #changes: number[] = [];
  readonly #kl = new Mean();
  readonly #agreement = new Mean();
  readonly #nll = new Mean();
  readonly #baseNll = new Mean();
  readonly #both = new Covariance();
  readonly #change = new Mean();
  readonly #squaredChange = new Mean();

  get meanDivergence(): number {
    return this.#kl.mean;
  }

  /**
   * @param base log probabilities of all tokens
   * @param logits of the model, and their score
   * @param target the token that came
   */
  add(base: Float32Array, logits: Float32Array, score: RowScore, target: number): void {
    let kl = 0;
    let best = 0;
    const normalizer = score.max + score.logSumExp;
    for (let i = 0; i < base.length; i++) {
      const p = base[i]!;
      if (p > base[best]!) best = i;
      if (p > LEAST_LOG_PROBABILITY) kl += Math.exp(p) * (p - logits[i]! + normalizer);
    }
    const baseNll = -base[target]!;
    const change = Math.exp(-score.nll) - Math.exp(-baseNll);
    this.#divergences.push(kl);
    this.#changes.push(change);
    this.#kl.add(kl);
    this.#agreement.add(best === score.best ? 1 : 0);
    this.#nll.add(score.nll);
    this.#baseNll.add(baseNll);
    this.#both.add(score.nll, baseNll);
    this.#change.add(change);
    this.#squaredChange.add(change * change);
  }

  result(): KlResult {
    const [nll, base] = [this.#nll, this.#baseNll];
    const [perplexity, basePerplexity] = [Math.exp(nll.mean), Math.exp(base.mean)];
    const covariance = this.#both.ofMeans;
    const logRatio = nll.mean - base.mean;
    const logRatioError = root(nll.error ** 2 + base.error ** 2 - 2 * covariance);
    const rms = Math.sqrt(this.#squaredChange.mean);
    return {
      mean: this.#kl.mean,
      error: this.#kl.error,
      ...spread(this.#divergences, 1),
      topAgreement: 100 * this.#agreement.mean,
      topAgreementError: 100 * this.#agreement.error,
      basePerplexity,
      basePerplexityError: basePerplexity * base.error,
      logRatio,
      logRatioError,
      ratio: Math.exp(logRatio),
      ratioError: Math.exp(logRatio) * logRatioError,
      difference: perplexity - basePerplexity,
      differenceError: root(
        (perplexity * nll.error) ** 2 +
          (basePerplexity * base.error) ** 2 -
          2 * covariance * perplexity * basePerplexity,
      ),
      // Without any variation, both say the same.
      correlation: nll.error * base.error > 0 ? (100 * covariance) / (nll.error * base.error) : 100,
      deltaP: {
        mean: 100 * this.#change.mean,
        error: 100 * this.#change.error,
        ...spread(this.#changes, 100),
        rms: 100 * rms,
        rmsError: rms > 0 ? (50 / rms) * this.#squaredChange.error : 0,
      },
    };
  }
}

function spread(values: readonly number[], scale: number): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => scale * (percentile(sorted, share) ?? NaN);
  return {
    ...{ max: at(1), p999: at(0.999), p99: at(0.99), p95: at(0.95), median: at(0.5) },
    ...{ p10: at(0.1), p5: at(0.05), p1: at(0.01), min: at(0) },
  };
}

/** Rounding can make a difference of squares negative. */
function root(value: number): number {
  return Math.sqrt(Math.max(0, value));
}
