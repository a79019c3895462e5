import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/errors.ts';
import { cutStrided, cutWindows, stridedSize } from '../../../tools/perplexity/windows.ts';

const ids = Array.from({ length: 100 }, (_, i) => i);

describe('windows beside one another', () => {
  test('the second half of each is scored, a rest is left out', () => {
    const windows = cutWindows(ids, 30, undefined);
    expect(windows.map((window) => [window.ids[0], window.ids.length, window.first])).toEqual([
      [0, 30, 15],
      [30, 30, 15],
      [60, 30, 15],
    ]);
  });

  test('a short text is scored whole; BOS is put over the first token', () => {
    expect(cutWindows(ids, 100, 7)).toEqual([{ ids: [7, ...ids.slice(1)], first: 0 }]);
  });
});

describe('windows a stride apart', () => {
  test('every token after the first window is scored once', () => {
    const windows = cutStrided(ids, stridedSize(20, 10), 10, undefined);
    const scored = windows.flatMap(({ ids: own, first }) => own.slice(first + 1));
    expect(scored).toEqual(ids.slice(15, 15 + scored.length));
    expect(windows).toHaveLength(8); // ceil((100 - 25) / 10)
    expect(windows.every((window) => window.ids.length === 25)).toBe(true);
  });

  test('a text not longer than a window, and a stride not shorter, are refused', () => {
    expect(() => cutStrided(ids, 100, 10, undefined)).toThrow(UsageError);
    expect(() => cutStrided(ids, 20, 20, undefined)).toThrow(/--ppl-stride must be less than/);
  });
});
