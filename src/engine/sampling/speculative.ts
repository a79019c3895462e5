/**
 * Speculative sampling (Leviathan et al. 2023, arXiv:2211.17192; Chen et al. 2023, arXiv:2302.01318): a token x
 * drawn from a cheap distribution q stands in for one drawn from p. It is accepted with probability
 * min(1, p(x) / q(x)); otherwise a token is drawn from what q covers too little, max(0, p - q), normalized. What
 * comes out is distributed as p, whatever q is. Both are distributions after the whole sampler chain.
 */
import type { Candidates } from './candidates.ts';
import type { Random } from './random.ts';

/** The tokens that can be drawn, and their probabilities: parallel arrays, in no particular order. */
export interface Distribution {
  readonly ids: Int32Array;
  readonly probabilities: Float64Array;
}

/** The softmax of the candidates, as a copy. */
export function distributionOf(c: Candidates): Distribution {
  const { sum } = c.weigh();
  const probabilities = c.weights.slice(0, c.size);
  for (let i = 0; i < c.size; i++) probabilities[i] = probabilities[i]! / sum;
  return { ids: c.ids.slice(0, c.size), probabilities };
}

export interface Verdict {
  id: number;
  /** `id` is the proposed token. */
  accepted: boolean;
}

/**
 * Draws from the softmax of the candidates by way of a token proposed from `q`.
 *
 * @param proposed drawn from q
 */
export function acceptOrDraw(c: Candidates, proposed: number, q: Distribution, random: Random): Verdict {
  const { sum } = c.weigh();
  const { ids, weights, size } = c;
  const covered = scatter(q, c.capacity);
  let p = 0;
  for (let i = 0; i < size; i++) if (ids[i] === proposed) p = weights[i]! / sum;
  const accepted = random.next() * covered[proposed]! < p;
  const id = accepted ? proposed : drawResidual(c, sum, covered, random.next());
  for (const each of q.ids) covered[each] = 0;
  return { id, accepted };
}

/** Draws from max(0, p - q). */
function drawResidual(c: Candidates, sum: number, q: Float64Array, u: number): number {
  const { ids, weights, keys, size } = c;
  let total = 0;
  for (let i = 0; i < size; i++) {
    keys[i] = Math.max(0, weights[i]! / sum - q[ids[i]!]!);
    total += keys[i]!;
  }
  // p = q but for rounding: nothing is left over, and any draw from p will do.
  const source = total > 0 ? keys : weights;
  const target = u * (total > 0 ? total : sum);
  let drawn = 0;
  let below = 0;
  for (let i = 0; i < size; i++) {
    if (source[i]! <= 0) continue;
    drawn = i;
    below += source[i]!;
    if (target < below) break;
  }
  return ids[drawn]!;
}

/** Probabilities by token id, all zero between calls. */
let dense = new Float64Array(0);

function scatter({ ids, probabilities }: Distribution, vocabulary: number): Float64Array {
  if (dense.length < vocabulary) dense = new Float64Array(vocabulary);
  for (let i = 0; i < ids.length; i++) dense[ids[i]!] = probabilities[i]!;
  return dense;
}
