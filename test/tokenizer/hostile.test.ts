import { describe, expect, test } from 'vitest';
import { TokenizerError } from '../../src/errors.ts';
import type { GgufValue } from '../../src/gguf/types.ts';
import { createTokenizer } from '../../src/tokenizer/index.ts';
import { toyBpe, toySpm, toyUnigram, toyWordPiece, TYPE } from './toy.ts';

/** Each: what is wrong, the metadata, and what the message must name. */
const CASES: [string, Map<string, GgufValue>, RegExp][] = [
  ['no tokenizer', new Map(), /tokenizer\.ggml\.model is missing.*gpt2, llama/],
  ['unknown kind', bpe('model', 'rwkv'), /tokenizer\.ggml\.model.*"rwkv".*gpt2, llama/],
  ['kind of another type', bpe('model', 7), /tokenizer\.ggml\.model is not a string/],
  ['unknown pre-tokenizer', bpe('pre', 'kimi-k9'), /tokenizer\.ggml\.pre.*"kimi-k9".*qwen2/],
  ['pre-tokenizer of another type', bpe('pre', true), /tokenizer\.ggml\.pre is not a string/],
  ['no tokens', without(toyBpe(), 'tokens'), /tokenizer\.ggml\.tokens is missing/],
  ['empty tokens', bpe('tokens', []), /tokenizer\.ggml\.tokens has 0 entries/],
  [
    'tokens of another type',
    bpe('tokens', new Uint8Array(9)),
    /tokenizer\.ggml\.tokens is not an array of strings/,
  ],
  [
    'a token twice',
    toyBpe([], [['twice'], ['twice']]),
    /tokenizer\.ggml\.tokens: entries 256 and 257 .*"twice"/,
  ],
  [
    'too few types',
    bpe('token_type', new Int32Array(3)),
    /tokenizer\.ggml\.token_type has 3 entries for 256/,
  ],
  ['types of another type', bpe('token_type', 'normal'), /tokenizer\.ggml\.token_type is not an array/],
  [
    'too many scores',
    spm('scores', new Float32Array(999)),
    /tokenizer\.ggml\.scores has 999 entries for 259/,
  ],
  [
    'scores that are no numbers',
    spm('scores', new Float32Array(259).fill(NaN)),
    /tokenizer\.ggml\.scores: entry 0/,
  ],
  [
    '64-bit scores',
    spm('scores', new BigInt64Array(259)),
    /tokenizer\.ggml\.scores is not an array of numbers/,
  ],
  ['SPM without scores', without(toySpm([]), 'scores'), /tokenizer\.ggml\.scores is missing/],
  ['BPE without merges', without(toyBpe(), 'merges'), /tokenizer\.ggml\.merges is missing/],
  ['merges of another type', bpe('merges', 1), /tokenizer\.ggml\.merges is not an array of strings/],
  ['a merge of one', bpe('merges', ['a b'.replace(' ', '')]), /tokenizer\.ggml\.merges: entry 0, "ab"/],
  [
    'a merge of unknown tokens',
    bpe('merges', ['xx y']),
    /tokenizer\.ggml\.merges: entry 0, "xx y", names "xx"/,
  ],
  ['a merge into no token', bpe('merges', ['a b']), /tokenizer\.ggml\.merges: entry 0, "a b", names "ab"/],
  ['BOS out of range', bpe('bos_token_id', 256), /tokenizer\.ggml\.bos_token_id is 256/],
  ['EOS below zero', bpe('eos_token_id', -1), /tokenizer\.ggml\.eos_token_id is -1/],
  ['EOT no integer', bpe('eot_token_id', 1.5), /tokenizer\.ggml\.eot_token_id is 1\.5/],
  ['EOM huge', bpe('eom_token_id', 1n << 60n), /tokenizer\.ggml\.eom_token_id/],
  ['FIM out of range', bpe('fim_pad_token_id', 999), /tokenizer\.ggml\.fim_pad_token_id is 999/],
  ['flag of another type', bpe('add_bos_token', 1), /tokenizer\.ggml\.add_bos_token is not a boolean/],
  ['BOS asked for and missing', bpe('add_bos_token', true), /add_bos_token is true.*bos_token_id is missing/],
  [
    'prefix flag of another type',
    spm('add_space_prefix', 'no'),
    /tokenizer\.ggml\.add_space_prefix is not a boolean/,
  ],
  [
    'WordPiece without an unknown token',
    without(toyWordPiece([]), 'unknown_token_id'),
    /tokenizer\.ggml\.unknown_token_id is missing/,
  ],
  [
    'SEP out of range',
    toyWordPiece([]).set('tokenizer.ggml.seperator_token_id', 3),
    /tokenizer\.ggml\.seperator_token_id is 3/,
  ],
  [
    'case flag of another type',
    toyWordPiece([]).set('tokenizer.ggml.normalizer.lowercase', 'yes'),
    /tokenizer\.ggml\.normalizer\.lowercase is not a boolean/,
  ],
  ['Unigram without scores', without(toyUnigram([]), 'scores'), /tokenizer\.ggml\.scores is missing/],
  ['a table of another type', unigram('precompiled_charsmap', 'x'), /charsmap is not an array of bytes/],
  ['a table too short', unigram('precompiled_charsmap', new Uint8Array(3)), /charsmap is damaged/],
  [
    'a table that is all trie',
    unigram('precompiled_charsmap', Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0)),
    /charsmap is damaged: its 8 bytes cannot hold a trie of 4/,
  ],
];

test.each(CASES)('%s', (_fault, metadata, message) => {
  expect(() => createTokenizer(metadata)).toThrow(TokenizerError);
  expect(() => createTokenizer(metadata)).toThrow(message);
});

describe('odd but usable', () => {
  test('a token without text gets a name of its own', () => {
    const tokenizer = createTokenizer(toyBpe([], [['']]));
    expect(tokenizer.tokenText(256)).toBe('[EMPTY_256]');
  });

  test('a file without a pre-tokenizer has the default one', () => {
    expect(createTokenizer(toyBpe()).encode('12')).toHaveLength(2);
  });

  test('bytes for which a small vocabulary has no token are dropped', () => {
    const metadata = new Map<string, GgufValue>([
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.tokens', ['a', 'b']],
      ['tokenizer.ggml.merges', []],
    ]);
    expect(createTokenizer(metadata).encode('abéa')).toEqual([0, 1, 0]);
  });

  test('defaults beyond a small vocabulary are no tokens', () => {
    const metadata = new Map<string, GgufValue>([
      ['tokenizer.ggml.model', 'llama'],
      ['tokenizer.ggml.tokens', ['a']],
      ['tokenizer.ggml.scores', new Float32Array(1)],
    ]);
    const tokenizer = createTokenizer(metadata);
    expect([tokenizer.bos, tokenizer.eos, tokenizer.addBos]).toEqual([undefined, undefined, false]);
    expect(tokenizer.endOfGeneration.size).toBe(0);
  });

  test('types that do not exist hide a token', () => {
    const tokenizer = createTokenizer(toyBpe([], [['odd', 77]]));
    expect(tokenizer.piece(256, true)).toHaveLength(0);
  });

  test('a byte token with no number in its name is byte 0', () => {
    const tokenizer = createTokenizer(toySpm([['odd', TYPE.byte]]));
    expect(tokenizer.piece(259)).toEqual(Uint8Array.of(0));
  });

  test('strings with lone surrogates', () => {
    const tokenizer = createTokenizer(toyBpe());
    expect(tokenizer.decode(tokenizer.encode('a\ud800b\udc80'))).toBe('a\uFFFDb\uFFFD');
  });
});

function bpe(key: string, value: GgufValue): Map<string, GgufValue> {
  return toyBpe().set(`tokenizer.ggml.${key}`, value);
}

function spm(key: string, value: GgufValue): Map<string, GgufValue> {
  return toySpm([]).set(`tokenizer.ggml.${key}`, value);
}

function unigram(key: string, value: GgufValue): Map<string, GgufValue> {
  return toyUnigram([]).set(`tokenizer.ggml.${key}`, value);
}

function without(metadata: Map<string, GgufValue>, key: string): Map<string, GgufValue> {
  metadata.delete(`tokenizer.ggml.${key}`);
  return metadata;
}
