import { UsageError } from '../../errors.ts';
import { workspace } from './candidates.ts';
import { expNegative } from './exp.ts';
import { checkFinite } from './finite.ts';
import { keepTopK } from './select.ts';

export interface Logprobs {
  /** ln p of the token asked for. */
  logprob: number;
  /** The n likeliest tokens, best first. */
  top: { id: number; logprob: number }[];
}

/**
 * Natural log probabilities under the softmax of the raw logits: what the model thinks, whatever the sampler
 * settings (as the OpenAI API defines them).
 * @param logits [vocabularySize]
 * @param n number of alternatives, 0 for none
 */
export function logprobsOf(logits: Float32Array, id: number, n: number): Logprobs {
  if (!Number.isInteger(id) || id < 0 || id >= logits.length) {
    throw new UsageError(`${id} is not a token id from 0 to ${logits.length - 1}`);
  }
  if (!Number.isInteger(n) || n < 0)
    throw new UsageError(`logprobs must be a non-negative integer, not ${n}`);
  checkFinite(logits);
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += expNegative(logits[i]! - max);
  const logSumExp = max + Math.log(sum);

  const top: Logprobs['top'] = [];
  if (n > 0) {
    const c = workspace(logits.length).load(logits);
    // keepTopK neither drops nor sorts when asked for everything.
    if (n >= c.size) {
      const order = [...c.ids.subarray(0, c.size)].sort((a, b) => logits[b]! - logits[a]! || a - b);
      for (const each of order) top.push({ id: each, logprob: logits[each]! - logSumExp });
    } else {
      keepTopK(c, n);
      for (let i = 0; i < n; i++) top.push({ id: c.ids[i]!, logprob: c.logits[i]! - logSumExp });
    }
  }
  return { logprob: logits[id]! - logSumExp, top };
}
