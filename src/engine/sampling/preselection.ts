/**
 * Where top-k follows, most of the vocabulary need not be copied: of the tokens that biases and penalties leave alone,
 * only the k largest can be among the k best. What they change is taken besides.
 */
import { biasSteps, type ResolvedSampling } from './options.ts';

/** Preselecting, by a heap, pays for so many, and where it leaves less than this share of the vocabulary. */
const MOST = 512;
const MOST_SHARE = 1 / 8;

/**
 * The tokens that a chain changes besides those that it chooses among, after a history; undefined where it may need all
 * logits.
 *
 * @param history token ids, oldest first
 */
export function createPreselection(
  options: ResolvedSampling,
  vocabularySize: number,
): ((history: readonly number[]) => readonly number[] | undefined) | undefined {
  const { topK, topNSigma, logitBias } = options;
  // The standard deviation is that of all logits.
  if (topK <= 0 || topNSigma > 0) return undefined;
  const biased = [...logitBias.keys()];
  const lastN = biasSteps(options).find((step) => step.type === 'penalties')?.last_n ?? 0;
  const most = Math.min(MOST, vocabularySize * MOST_SHARE) - topK;
  return (history) => {
    const changed = biased.concat(history.slice(Math.max(0, history.length - lastN)));
    return changed.length <= most ? changed : undefined;
  };
}
