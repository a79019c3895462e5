import { expect, test } from 'vitest';
import { TokenizerError } from '../../src/errors.ts';
import { Charsmap } from '../../src/tokenizer/charsmap.ts';
import { createTokenizer } from '../../src/tokenizer/index.ts';
import { toyUnigram, TYPE } from './toy.ts';

/** The greedy choice "ab" costs more than "a" and "bc" together. */
const PIECES: [string, number, number][] = [
  ['▁', 1, -2],
  ['a', 1, -3],
  ['b', 1, -3],
  ['c', 1, -3],
  ['ab', 1, -4],
  ['bc', 1, -1.5],
  ['▁a', 1, -2.5],
  ['<tool>', TYPE.userDefined, -99],
];

function pieces(text: string, flags: Record<string, boolean> = {}): string[] {
  const metadata = toyUnigram(PIECES);
  for (const [key, value] of Object.entries(flags)) metadata.set(`tokenizer.ggml.${key}`, value);
  const tokenizer = createTokenizer(metadata);
  return tokenizer.encode(text, { addSpecial: false }).map((id) => tokenizer.tokenText(id)!);
}

test('the likeliest pieces, not the longest', () => {
  expect(pieces('abc')).toEqual(['a', 'bc']); // -3 - 1.5 against -4 - 3
  expect(pieces('ab')).toEqual(['ab']); // -4 against -6
});

test('one unknown token for a run of unknown characters', () => {
  expect(pieces('a日本🙂b')).toEqual(['a', '<unk>', 'b']);
});

test('spaces: kept, merged, put before', () => {
  expect(pieces('  a ')).toEqual(['▁', '▁a', '▁']);
  expect(pieces('  a  b ', { remove_extra_whitespaces: true })).toEqual(['▁a', '▁', 'b']);
  expect(pieces('bc', { add_space_prefix: true })).toEqual(['▁', 'bc']);
  expect(pieces('a', { add_space_prefix: true, remove_extra_whitespaces: true })).toEqual(['▁a']);
});

test('tokens that the user defined are found whatever their score', () => {
  expect(pieces('a<tool>b')).toEqual(['a', '<tool>', 'b']);
});

test('EOS closes a text', () => {
  const tokenizer = createTokenizer(toyUnigram(PIECES));
  expect(tokenizer.encode('a')).toEqual([3, 1]);
  expect(tokenizer.decode([3, 1])).toBe('a');
});

test('100 KB without a space', () => {
  const ids = pieces('abc'.repeat(33_333));
  expect(ids).toHaveLength(66_666);
});

/** A table that replaces A by b: units for the root, its child by 0x41, and that child's value. */
function table(replacementAt: number): Uint8Array {
  const units = new Uint32Array(256);
  const bytes = new Uint8Array(4 + 4 * units.length + 2);
  units[0] = 1 << 10; // root: children at 1 ^ byte
  units[1 ^ 0x41] = (2 << 10) | 0x100 | 0x41; // has a value, at its place ^ 2
  units[1 ^ 0x41 ^ 2] = 0x80000000 + replacementAt;
  new DataView(bytes.buffer).setUint32(0, 4 * units.length, true);
  bytes.set(new Uint8Array(units.buffer), 4);
  bytes.set([0x62, 0], 4 + 4 * units.length);
  return bytes;
}

test('a table of replacements', () => {
  const map = new Charsmap(table(0));
  expect(map.replace(Uint8Array.of(0x41, 0x41), 0)).toEqual({ bytes: Uint8Array.of(0x62), consumed: 1 });
  expect(map.replace(Uint8Array.of(0x42), 0)).toBeUndefined();
  const metadata = toyUnigram(PIECES).set('tokenizer.ggml.precompiled_charsmap', table(0));
  expect(createTokenizer(metadata).encode('Ac', { addSpecial: false })).toEqual([7]);
});

test('a table that points nowhere is an error, not an endless search', () => {
  expect(() => new Charsmap(table(99)).replace(Uint8Array.of(0x41), 0)).toThrow(TokenizerError);
  const far = table(0);
  new DataView(far.buffer).setUint32(4, 0x3fffff << 10, true);
  expect(() => new Charsmap(far).replace(Uint8Array.of(0x41), 0)).toThrow(/no unit/);
});
