/** How a long text is cut to the context. */

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

function withBos(ids: readonly number[], bos: number | undefined): number[] {
  return bos === undefined ? [...ids] : [bos, ...ids.slice(1)];
}
