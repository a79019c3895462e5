/** From rendered text to token ids, and how much of the last turn's ids a new turn can keep. */
import type { Tokenizer } from '../tokenizer/types.ts';
import { specialTokenTexts } from './template.ts';

type PromptTokenizer = Pick<Tokenizer, 'encode' | 'bos' | 'eos' | 'tokenText' | 'addBos'>;

/**
 * Ids of a rendered conversation. Markers such as `<|im_start|>` become single tokens, and so do markers that a
 * user typed: a template is text, it has no quoting. BOS is added where the vocabulary asks for it, unless the
 * template wrote it already: never twice.
 */
export function encodePrompt(tokenizer: PromptTokenizer, rendered: string): number[] {
  const { bosToken } = specialTokenTexts(tokenizer);
  const hasBos = bosToken !== '' && rendered.startsWith(bosToken);
  return tokenizer.encode(rendered, { addSpecial: tokenizer.addBos && !hasBos, parseSpecial: true });
}

/**
 * What a new turn adds to the text that the model has seen and said: `next` without `previous + answer`, or
 * undefined when the template rewrote the past (trimmed the answer, dropped its reasoning, put in the time).
 *
 * Encoding only this addition, behind the ids of the prompt and the ids that were generated, keeps the cache
 * whole. Encoding all of `next` again may not: a model may have spelt its answer with other tokens than the
 * tokenizer would choose.
 * @param previous the rendered prompt of the last turn, with its generation prompt
 * @param answer what the model said to it, without the end-of-turn token
 * @param next the rendered prompt of this turn
 */
export function addedText(previous: string, answer: string, next: string): string | undefined {
  const past = previous + answer;
  return next.startsWith(past) ? next.slice(past.length) : undefined;
}

/** The number of ids at which two prompts begin alike: what the cache can keep when `addedText` is undefined. */
export function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const length = Math.min(a.length, b.length);
  let n = 0;
  while (n < length && a[n] === b[n]) n++;
  return n;
}
