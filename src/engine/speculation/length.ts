/**
 * How many tokens to propose. With a rate of acceptance a, k proposals give 1 + a + ... + a^k tokens for the price
 * of one step with k + 1 rows. Only tokens decide, no clock: a seed repeats an answer on any machine.
 */

/** Time of a step with k more rows than one, in steps of one row: BATCH_COST + k ROW_COST more (measured, 135M, 1.1B). */
const BATCH_COST = 0.25;
const ROW_COST = 0.45;
/** What is expected of a rate weighs as much as so many outcomes. */
const EXPECTED_OUTCOMES = 4;
/** Weight of the latest outcome in a rate, once there are many. */
const RECENT = 1 / 16;
/** A rate never says never. */
const LEAST = 0.05;
const MOST = 0.995;

/** How often a proposed token turns out right: the mean of what has been seen, at length a moving average. */
export class AcceptanceRate {
  value: number;
  private outcomes = EXPECTED_OUTCOMES;

  constructor(expected: number) {
    this.value = expected;
  }

  /** Of `proposed` tokens the first `accepted` were right; those after the first wrong one say nothing. */
  learn(proposed: number, accepted: number): void {
    for (let i = 0; i < Math.min(proposed, accepted + 1); i++) {
      this.value += ((i < accepted ? 1 : 0) - this.value) * Math.max(RECENT, 1 / ++this.outcomes);
    }
    this.value = Math.min(MOST, Math.max(LEAST, this.value));
  }
}

/**
 * The number of proposals, 0 to `most`, that makes the most tokens per time.
 *
 * @param rate of acceptance
 * @param draftCost of drafting one token, in steps of the model
 */
export function bestLength(rate: number, most: number, draftCost = 0): number {
  let best = 0;
  let bestGain = 1;
  let tokens = 1;
  let power = 1;
  for (let k = 1; k <= most; k++) {
    power *= rate;
    tokens += power;
    const gain = tokens / (1 + BATCH_COST + k * (ROW_COST + draftCost));
    if (gain > bestGain) {
      best = k;
      bestGain = gain;
    }
  }
  return best;
}
