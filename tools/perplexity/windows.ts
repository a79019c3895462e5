/** How a long text is cut to the context. */
import { UsageError } from '../../src/errors.ts';

export interface Window {
  ids: number[];
  /** Positions first .. ids.length - 2 are scored: each by the token that follows it. */
  first: number;
}

/**
 * As llama-perplexity does it: windows beside one another, of which the second half is scored, so that every
 * scored token has at least half a window before it. A rest shorter than a window is left out. A text that is
 * shorter than one window is scored whole.
 *
 * @param bos written over the first token of each window, for vocabularies that ask for it
 */
export function cutWindows(ids: readonly number[], size: number, bos: number | undefined): Window[] {
  if (ids.length <= size) return [{ ids: withBos(ids, bos), first: 0 }];
  const windows: Window[] = [];
  for (let start = 0; start + size <= ids.length; start += size) {
    windows.push({ ids: withBos(ids.slice(start, start + size), bos), first: size >> 1 });
  }
  return windows;
}

/**
 * llama-perplexity's --ppl-stride: windows that begin `stride` tokens apart, of each of which the last `stride`
 * tokens are scored, so that every token of the text but the first ones has nearly a whole window before it. Takes
 * size / stride times as long.
 *
 * @param size of a window, as `stridedSize` gives it
 * @throws UsageError when the text is not longer than one window, or the stride not shorter
 */
export function cutStrided(
  ids: readonly number[],
  size: number,
  stride: number,
  bos: number | undefined,
): Window[] {
  if (stride >= size) throw new UsageError(`--ppl-stride must be less than the ${size} tokens of a window`);
  if (ids.length <= size) {
    throw new UsageError(
      `the text has ${ids.length} tokens: with --ppl-stride, more than a window (${size}) are needed`,
    );
  }
  const windows: Window[] = [];
  for (let start = 0; start + size < ids.length; start += stride) {
    windows.push({ ids: withBos(ids.slice(start, start + size), bos), first: size - stride - 1 });
  }
  return windows;
}

/** The window for a context of `contextSize`: longer by half the stride, as llama-perplexity has it. */
export function stridedSize(contextSize: number, stride: number): number {
  return contextSize + (stride >> 1);
}

function withBos(ids: readonly number[], bos: number | undefined): number[] {
  return bos === undefined ? [...ids] : [bos, ...ids.slice(1)];
}
