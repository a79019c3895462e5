import type { Tokenizer } from '../tokenizer/types.ts';

/** Files of one family pad the vocabulary to different multiples: Qwen 2.5 has 151936 or 152064 entries. */
const MOST_PADDING = 1024;
/** Tokens that are compared: an unlike vocabulary differs in nearly all of them. */
const SAMPLES = 1024;

/**
 * Two models spell alike, so that the tokens of one can be judged by the other. A difference that is overlooked
 * makes proposals worse, never the answer.
 */
export function sameVocabulary(a: Tokenizer, b: Tokenizer): boolean {
  if (a === b) return true;
  const size = Math.min(a.size, b.size);
  if (a.kind !== b.kind || Math.max(a.size, b.size) - size > MOST_PADDING) return false;
  const step = Math.max(1, Math.floor(size / SAMPLES));
  for (let id = 0; id < size; id += step) if (a.tokenText(id) !== b.tokenText(id)) return false;
  return true;
}
