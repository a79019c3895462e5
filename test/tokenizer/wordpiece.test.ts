import { describe, expect, test } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/index.ts';
import { toyWordPiece } from './toy.ts';

const WORDS = [
  ...[
    'un',
    '##aff',
    '##able',
    '##a',
    '##b',
    'hello',
    'world',
    ',',
    '!',
    '$',
    '~',
    'cafe',
    '中',
    '文',
    '##o',
    'o',
  ],
  ...['##ς', 'σ', '##σ', 'i', '##s', 'naive', 'x', '##x', 'İ', 'Café'],
];

function pieces(text: string | Uint8Array, lowercase: boolean): string[] {
  const metadata = toyWordPiece(WORDS).set('tokenizer.ggml.normalizer.lowercase', lowercase);
  const tokenizer = createTokenizer(metadata);
  return tokenizer.encode(text, { addSpecial: false }).map((id) => tokenizer.tokenText(id)!);
}

const UNKNOWN = '[UNK]';

/** What Hugging Face tokenizers 0.23.3 gives with BertNormalizer, BertPreTokenizer and this vocabulary. */
describe('pieces of uncased text', () => {
  test.each([
    ['unaffable', ['▁un', 'aff', 'able']],
    ['Hello,  WORLD!', ['▁hello', '▁,', '▁world', '▁!']],
    ['Café naïve', ['▁cafe', '▁naive']],
    ['中文 x中x', ['▁中', '▁文', '▁x', '▁中', '▁x']],
    ['$o~o', ['▁$', '▁o', '▁~', '▁o']],
    ['Σσ ΣΣς', ['▁σ', 'σ', '▁σ', 'σ', 'ς']],
    ['Is İs', ['▁i', 's', '▁i', 's']],
    ['un\u00adaff\u200bable', ['▁un', 'aff', 'able']],
    ['un\u0085aff \u2028 hello', ['▁un', 'aff', '▁hello']],
    ['hello\tworld\nun', ['▁hello', '▁world', '▁un']],
    ['unknownword hello', [UNKNOWN, '▁hello']],
    ['x'.repeat(100), ['▁x', ...Array<string>(99).fill('x')]],
    ['x'.repeat(101), [UNKNOWN]],
    ['  ', []],
  ])('%j', (text, expected) => expect(pieces(text, true)).toEqual(expected));
});

describe('pieces of cased text', () => {
  test.each([
    ['Hello, hello', [UNKNOWN, '▁,', '▁hello']],
    ['Café naïve', ['▁Café', UNKNOWN]],
    ['Is İs', [UNKNOWN, '▁İ', 's']],
  ])('%j', (text, expected) => expect(pieces(text, false)).toEqual(expected));
});

test('accents can be kept where case is not', () => {
  const metadata = toyWordPiece(['é']).set('tokenizer.ggml.normalizer.strip_accents', false);
  expect(createTokenizer(metadata).encode('É', { addSpecial: false })).toEqual([3]);
});

test('CLS and SEP enclose a text, and are dropped when it is decoded', () => {
  const tokenizer = createTokenizer(toyWordPiece(WORDS));
  const ids = tokenizer.encode('Hello world, unaffable!');
  expect([ids[0], ids.at(-1)]).toEqual([0, 1]);
  expect(tokenizer.encode('')).toEqual([0, 1]);
  expect(tokenizer.decode(ids, { cleanSpaces: true })).toBe(' hello world, unaffable!');
});

test('bytes that are no text', () => {
  expect(pieces(Uint8Array.of(0x75, 0xff, 0x6e), true)).toEqual(['▁un']);
});
