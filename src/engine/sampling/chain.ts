/** A sampler chain: steps in order, each changing the candidates; then one draw. */
import { type Candidates, workspace } from './candidates.ts';
import { checkFinite } from './finite.ts';
import { logitBias, penalties } from './penalties.ts';
import { temperature, temperatureExt } from './temperature.ts';
import { minP, topK, topNSigma, topP, typical } from './truncate.ts';

/** One sampler and its settings; `min_keep`: a truncation leaves at least so many, default 1. */
export type ChainStep =
  | { type: 'logit_bias'; bias: readonly (readonly [number, number])[] }
  | { type: 'penalties'; last_n: number; repeat: number; frequency: number; presence: number }
  | { type: 'top_n_sigma'; n: number }
  | { type: 'top_k'; k: number }
  | { type: 'typical'; p: number; min_keep?: number }
  | { type: 'top_p'; p: number; min_keep?: number }
  | { type: 'min_p'; p: number; min_keep?: number }
  | { type: 'temperature'; t: number }
  | { type: 'temperature_ext'; t: number; delta: number; exponent: number };

/** Applies one step to the candidates in place. `history`: token ids so far, oldest first. */
function applyStep(c: Candidates, step: ChainStep, history: readonly number[]): void {
  switch (step.type) {
    case 'logit_bias':
      return logitBias(c, step.bias);
    case 'penalties':
      return penalties(c, { ...step, lastN: step.last_n }, history);
    case 'top_n_sigma':
      return topNSigma(c, step.n);
    case 'top_k':
      return topK(c, step.k);
    case 'typical':
      return typical(c, step.p, step.min_keep);
    case 'top_p':
      return topP(c, step.p, step.min_keep);
    case 'min_p':
      return minP(c, step.p, step.min_keep);
    case 'temperature':
      return temperature(c, step.t);
    case 'temperature_ext':
      return temperatureExt(c, step.t, step.delta, step.exponent);
  }
}

export function applyChain(c: Candidates, chain: readonly ChainStep[], history: readonly number[]): void {
  for (const step of chain) applyStep(c, step, history);
}

/**
 * Draws from the softmax of the candidates.
 * @param u uniform in [0, 1)
 */
export function draw(c: Candidates, u: number): { id: number; probability: number } {
  const { sum } = c.weigh();
  const { weights, size } = c;
  const target = u * sum;
  let drawn = 0;
  let below = 0;
  for (let i = 0; i < size; i++) {
    if (weights[i]! <= 0) continue;
    drawn = i; // the last one possible, should u * sum round up to sum
    below += weights[i]!;
    if (target < below) break;
  }
  return { id: c.ids[drawn]!, probability: weights[drawn]! / sum };
}

/**
 * The distribution that a chain draws from: [vocabularySize] probabilities by token id, 0 where removed.
 * For tests, plots and the course; `sample` does not need it.
 */
export function chainProbabilities(
  logits: Float32Array,
  chain: readonly ChainStep[],
  history: readonly number[] = [],
): Float32Array {
  checkFinite(logits);
  const c = workspace(logits.length).load(logits);
  applyChain(c, chain, history);
  const { sum } = c.weigh();
  const result = new Float32Array(logits.length);
  for (let i = 0; i < c.size; i++) result[c.ids[i]!] = c.weights[i]! / sum;
  return result;
}
