import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildBpe } from '../../src/tokenizer/bpe.ts';
import type { BpeModel } from '../../src/tokenizer/bpe.ts';
import { createTokenizer } from '../../src/tokenizer/index.ts';
import { Merger } from '../../src/tokenizer/merger.ts';
import { PairTable } from '../../src/tokenizer/pair-table.ts';
import { findPreTokenizer } from '../../src/tokenizer/pre-tokenizers.ts';
import { runAtOnce } from '../../src/tokenizer/slices.ts';
import { readVocabulary } from '../../src/tokenizer/vocabulary.ts';
import { toyBpe } from './toy.ts';

/** Letters that merge into ever longer words of a and b. */
const MERGES = ['a b', 'a a', 'b b', 'ab ab', 'aa b', 'a aa', 'abab ab', 'bb aa', 'aa aa', 'b ab'];

/** The definition of BPE: again and again, the best pair of all, leftmost first. */
function mergeNaively(word: string, merges: readonly string[]): string[] {
  const symbols = [...word];
  for (;;) {
    let best = -1;
    let bestRank = Infinity;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = merges.indexOf(`${symbols[i]} ${symbols[i + 1]}`);
      if (rank >= 0 && rank < bestRank) {
        best = i;
        bestRank = rank;
      }
    }
    if (best < 0) return symbols;
    symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
  }
}

describe('merging', () => {
  test('equals the definition of BPE', () => {
    const words = fc.stringMatching(/^[abc]{0,40}$/);
    const orders = fc.shuffledSubarray(MERGES, { minLength: 1 });
    fc.assert(
      fc.property(words, orders, (word, merges) => {
        const tokenizer = createTokenizer(toyBpe(merges, missingParts(merges)));
        const texts = tokenizer.encode(word).map((id) => tokenizer.tokenText(id));
        expect(texts).toEqual(mergeNaively(word, merges));
      }),
    );
  });

  test('looks up a few pairs per symbol, however long the word', () => {
    const model = bpeModel(MERGES);
    const lookups = (length: number) => {
      const before = model.merger.lookups;
      model.encode('ab'.repeat(length / 2), true, []);
      return model.merger.lookups - before;
    };
    expect(lookups(1_000)).toBeLessThanOrEqual(3 * 1_000);
    expect(lookups(100_000)).toBeLessThanOrEqual(3 * 100_000);
  });

  test('a repeated word is merged once', () => {
    const model = bpeModel(MERGES);
    model.encode('abab', true, []);
    const before = model.merger.lookups;
    const out: number[] = [];
    model.encode('abab', true, out);
    expect(out).toHaveLength(1);
    expect(model.merger.lookups).toBe(before);
  });

  test('a merger can be used again, for words long and short', () => {
    const merger = new Merger();
    const never = { priority: 0, find: () => -1 };
    for (const count of [3, 200_000, 5, 0]) {
      merger.reserve(count);
      merger.merge(count, never);
      let symbols = 0;
      for (let i = count > 0 ? 0 : -1; i >= 0; i = merger.next[i]!) symbols++;
      expect(symbols).toBe(count);
    }
  });
});

test('a pair table keeps first values and knows what it lacks', () => {
  const table = new PairTable(1000);
  for (let i = 0; i < 1000; i++) table.add(i, 3 * i, i);
  table.add(7, 21, 999);
  for (let i = 0; i < 1000; i++) expect(table.get(i, 3 * i)).toBe(i);
  expect(table.get(21, 7)).toBe(-1);
  expect(table.get(-1, 7)).toBe(-1);
});

function bpeModel(merges: readonly string[]): BpeModel {
  const metadata = toyBpe(merges);
  return runAtOnce(buildBpe(metadata, runAtOnce(readVocabulary(metadata)), findPreTokenizer('gpt-2')));
}

/** Sides of merges that no merge in the list makes. */
function missingParts(merges: readonly string[]): [string][] {
  const made = new Set(merges.map((merge) => merge.replace(' ', '')));
  const sides = new Set(merges.flatMap((merge) => merge.split(' ')));
  return [...sides].filter((side) => side.length > 1 && !made.has(side)).map((side) => [side]);
}
