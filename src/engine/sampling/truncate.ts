/**
 * The samplers that drop candidates. Definitions and edge cases follow llama.cpp (src/llama-sampling.cpp), so
 * that a setting means the same here as there.
 */
import { type Candidates, entropyAbove } from './candidates.ts';
import { keepLargest, keepMass } from './select.ts';

/** The k largest logits; k <= 0 is off. */
export function topK(c: Candidates, k: number): void {
  if (k > 0) keepLargest(c, k);
}

/** The fewest candidates, most likely first, whose probabilities sum to p or more; p >= 1 is off. */
export function topP(c: Candidates, p: number, minKeep = 1): void {
  if (p >= 1) return;
  const { max, sum } = c.weigh();
  const { keys, logits, size } = c;
  for (let i = 0; i < size; i++) keys[i] = max - logits[i]!;
  keepMass(c, p * sum, minKeep, false);
}

/** Candidates at least p times as likely as the likeliest: logit >= max + ln p; p <= 0 is off. */
export function minP(c: Candidates, p: number, minKeep = 1): void {
  if (p <= 0) return;
  const threshold = Math.fround(c.logits[c.best()]! + Math.log(p));
  if (minKeep > 1) {
    let passing = 0;
    for (let i = 0; i < c.size; i++) if (c.logits[i]! >= threshold) passing++;
    if (passing < minKeep) {
      keepLargest(c, minKeep);
      return;
    }
  }
  c.keepAtLeast(threshold);
}

/**
 * Locally typical sampling (Meister et al. 2022): those whose surprise -ln p lies closest to the entropy H, until
 * their probabilities sum to more than p. May drop the likeliest token. p >= 1 is off.
 */
export function typical(c: Candidates, p: number, minKeep = 1): void {
  if (p >= 1) return;
  const { max, sum } = c.weigh();
  const { keys, logits, size } = c;
  // -ln p = ln sum + (max - logit), so |-ln p - H| needs no logarithm per candidate: see entropyAbove.
  const excess = entropyAbove(c, max, sum);
  for (let i = 0; i < size; i++) keys[i] = Math.abs(max - logits[i]! - excess);
  keepMass(c, p * sum, minKeep, true);
}

/** Logits of at least max - n standard deviations (of the population, banned tokens apart); n <= 0 is off. */
export function topNSigma(c: Candidates, n: number): void {
  if (n <= 0 || c.size <= 1) return;
  const { logits, size } = c;
  let max = -Infinity;
  let sum = 0;
  let count = 0;
  for (let i = 0; i < size; i++) {
    const x = logits[i]!;
    if (x === -Infinity) continue;
    if (x > max) max = x;
    sum += x;
    count++;
  }
  if (count === 0) return;
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < size; i++) {
    const x = logits[i]!;
    if (x !== -Infinity) squares += (x - mean) * (x - mean);
  }
  c.keepAtLeast(Math.fround(max - n * Math.sqrt(squares / count)));
}
