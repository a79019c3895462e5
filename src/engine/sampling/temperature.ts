/** The samplers that sharpen or flatten the distribution. */
import { type Candidates, entropyAbove } from './candidates.ts';

/** Below this the division would leave f32's range, and the distribution is the maximum's alone anyway. */
const LOWEST = 1e-6;

/** Keeps the largest logit only, the first of equals. */
function keepBest(c: Candidates): void {
  const best = c.best();
  c.ids[0] = c.ids[best]!;
  c.logits[0] = c.logits[best]!;
  c.size = 1;
  c.dense = false;
}

/** Divides the logits by t; t <= 0 keeps the largest only. */
export function temperature(c: Candidates, t: number): void {
  if (t < LOWEST) {
    keepBest(c);
    return;
  }
  if (t === 1) return;
  const { logits, size } = c;
  for (let i = 0; i < size; i++) logits[i] = logits[i]! / t;
}

/**
 * Dynamic temperature: from t - delta where the model is sure to t + delta where it is not,
 *     T = t - delta + 2 delta (H / ln n)^exponent,
 * with the entropy H of the n candidates. delta <= 0 is plain temperature.
 */
export function temperatureExt(c: Candidates, t: number, delta: number, exponent: number): void {
  if (delta <= 0) {
    temperature(c, t);
    return;
  }
  if (c.size <= 1) return;
  const low = Math.max(0, t - delta);
  const high = t + delta;
  const { max, sum } = c.weigh();
  const entropy = Math.log(sum) + entropyAbove(c, max, sum);
  temperature(c, low + (high - low) * (entropy / Math.log(c.size)) ** exponent);
}
