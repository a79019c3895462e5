import { describe, expect, test } from 'vitest';
import { detectPreTokenizer, PROBES } from '../../../src/tokenizer/hf/detect.ts';
import { translateRegex } from '../../../src/tokenizer/hf/oniguruma.ts';
import { definitionsOf, PRE_TOKENIZER_NAMES } from '../../../src/tokenizer/pre-tokenizers.ts';
import { splitWords } from '../../../src/tokenizer/split-words.ts';

const split = (regex: string, behavior = 'Isolated', invert = false) => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior,
  invert,
});
const BYTES = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
const BYTES_AND_WORDS = { type: 'ByteLevel', add_prefix_space: false, use_regex: true };
const DIGITS = { type: 'Digits', individual_digits: true };

/** The expressions of published tokenizers, in their own dialect. */
const tiktoken = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const cased = (suffix: string, digits: string) =>
  `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${suffix}` +
  `|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${suffix}` +
  `|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const DEEPSEEK_V3 =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+' +
  '| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const BAILING =
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";

describe('published pre-tokenizers', () => {
  test.each<[string, Record<string, unknown>[], { ignoreMerges?: boolean; cleansSpaces?: boolean }?]>([
    ['gpt-2', [BYTES_AND_WORDS]],
    ['smollm', [DIGITS, BYTES_AND_WORDS]],
    ['starcoder', [DIGITS, BYTES_AND_WORDS], { cleansSpaces: true }],
    ['llama-bpe', [split(tiktoken('\\p{N}{1,3}')), BYTES], { ignoreMerges: true }],
    ['dbrx', [split(tiktoken('\\p{N}{1,3}'), 'Removed', true), BYTES]],
    ['qwen2', [split(tiktoken('\\p{N}')), BYTES], { cleansSpaces: false }],
    ['stablelm2', [split(tiktoken('\\p{N}')), BYTES], { cleansSpaces: true }],
    ['tekken', [split(cased('', '\\p{N}')), BYTES], { ignoreMerges: true }],
    ['gpt-4o', [split(cased("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", '\\p{N}{1,3}')), BYTES]],
    // Bailing's, possessive and in another order, cuts as Qwen 2's does.
    ['qwen2', [split(BAILING), BYTES], { cleansSpaces: false }],
    ['deepseek-v3', [split('\\p{N}{1,3}'), split('[一-龥぀-ゟ゠-ヿ]+'), split(DEEPSEEK_V3), BYTES]],
    [
      'deepseek-coder',
      [split('[\r\n]'), split('\\s?\\p{L}+'), split('\\s?\\p{P}+'), split('[一-龥ࠀ-一가-퟿]+'), DIGITS, BYTES],
    ],
    [
      'falcon',
      [
        { type: 'Punctuation', behavior: 'Contiguous' },
        BYTES_AND_WORDS,
        { type: 'Digits', individual_digits: false },
        split('[0-9][0-9][0-9]'),
      ],
    ],
  ])('%s', (name, parts, { ignoreMerges = false, cleansSpaces } = {}) => {
    expect(detectPreTokenizer(parts, { ignoreMerges, cleansSpaces })).toBe(name);
  });

  test('spelled in another way, it is the same', () => {
    const spelled = tiktoken('\\p{N}').replace(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
      "'[sSdDmMtT]|'[lL][lL]|'[vV][eE]|'[rR][eE]",
    );
    expect(detectPreTokenizer([split(spelled), BYTES], { ignoreMerges: false, cleansSpaces: false })).toBe(
      'qwen2',
    );
  });

  test.each([
    ['an expression that cuts otherwise', [split('\\p{L}+|\\p{N}{1,4}'), BYTES], /no known pre-tokenizer/],
    ['a component without a place in GGUF', [{ type: 'UnicodeScripts' }, BYTES], /"UnicodeScripts"/],
    ['another behavior', [split('x', 'MergedWithNext'), BYTES], /"MergedWithNext"/],
    ['a broken expression', [split('(a'), BYTES], /expression "\(a" is not supported/],
    ['an expression that takes for ever', [split('(a+)+$'), BYTES], /is not supported/],
  ])('%s is refused', (_what, parts, message) => {
    expect(() => detectPreTokenizer(parts, { ignoreMerges: false, cleansSpaces: undefined })).toThrow(
      message,
    );
  });
});

test('the probes tell all rows of the table apart', () => {
  const cuts = new Map<string, string>();
  for (const name of PRE_TOKENIZER_NAMES) {
    const [steps] = definitionsOf(name);
    const source = steps!.join('\n');
    const words: string[][] = PROBES.map((probe) => {
      const pieces: string[] = [];
      splitWords(probe, steps!, (piece) => pieces.push(piece));
      return pieces;
    });
    const other = cuts.get(JSON.stringify(words));
    expect([name, other ?? source]).toEqual([name, source]);
    cuts.set(JSON.stringify(words), source);
  }
});

describe('expressions in the other dialect', () => {
  test.each<[string, string, string[]]>([
    ['\\s+', 'a\u0085\ufeffb', ['\u0085']],
    ["(?i:'re|x[a-c])y?", "'RE XB Xby", ["'RE", 'XB', 'Xby']],
    ['a++b?', 'aab', ['aab']],
    ['\\w+', 'a_é\u0301-b', ['a_é\u0301', 'b']],
    ['\\p{Han}+', '日本go', ['日本']],
    ['\\"+\\d', 'a""5', ['""5']],
  ])('%s', (source, text, matches) => {
    expect(text.match(translateRegex(source)!)).toEqual(matches);
  });

  test.each(['(a|b)+', '(?:a*)*', '((a?){2,})', '[a&&b]', '[[a]]', '\\p{', 'x'.repeat(20_000)])(
    'refuses %.20s',
    (source) => expect(translateRegex(source)).toBeUndefined(),
  );
});
