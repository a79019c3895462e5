import { describe, expect, test } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/index.ts';
import type { Tokenizer } from '../../src/tokenizer/index.ts';
import { SpecialSplitter } from '../../src/tokenizer/special-splitter.ts';
import { STRIP_LEFT, STRIP_RIGHT } from '../../src/tokenizer/vocabulary.ts';
import { toyBpe, toySpm, TYPE } from './toy.ts';

function texts(tokenizer: Tokenizer, ids: readonly number[]): (string | undefined)[] {
  return ids.map((id) => tokenizer.tokenText(id));
}

describe('cutting a text at special tokens', () => {
  const splitter = (...names: string[]) =>
    new SpecialSplitter(names.map((text, id) => ({ id, text, types: 0 })));

  test('longer tokens first, wherever they are', () => {
    // Leftmost-first would find "ab" and leave "cd".
    expect(splitter('ab', 'bcd').split('xabcdy')).toEqual(['xa', 1, 'y']);
    expect(splitter('<a>', '<a><b>').split('<a><a><b>')).toEqual([0, 1]);
  });

  test('a shorter token takes the place of a longer one that is blocked', () => {
    expect(splitter('ab', 'abc', 'cdef').split('abcdef')).toEqual([0, 2]);
  });

  test('one token, leftmost first', () => {
    expect(splitter('aa').split('aaaaa')).toEqual([0, 0, 'a']);
  });

  test('no tokens, no text', () => {
    expect(splitter().split('text')).toEqual(['text']);
    expect(splitter('x').split('')).toEqual([]);
    expect(splitter('x').split('x')).toEqual([0]);
  });

  test('white space that belongs to a token', () => {
    const tokens = [
      { id: 0, text: '<l>', types: STRIP_LEFT },
      { id: 1, text: '<right>', types: STRIP_RIGHT },
      { id: 2, text: '\n', types: 0 },
    ];
    expect(new SpecialSplitter(tokens).split('a \t<l> b <right> \n c')).toEqual(['a', 0, ' b ', 1, 'c']);
    expect(new SpecialSplitter(tokens).split('  <l>\n\n')).toEqual([0, 2, 2]);
  });

  test('thousands of tokens over a long text of overlaps', () => {
    const many = splitter(...Array.from({ length: 500 }, (_, i) => '<'.repeat(i + 1)));
    const parts = many.split('<'.repeat(100_001));
    expect(parts).toHaveLength(201);
    expect(parts.at(-1)).toBe(0);
  });
});

describe('control, user-defined and unknown tokens', () => {
  const tokenizer = createTokenizer(
    toyBpe(
      [],
      [
        ['<ctl>', TYPE.control],
        ['<usr>', TYPE.userDefined],
        ['<unk>', TYPE.unknown],
        ['<unused>', TYPE.unused],
      ],
    ),
  );
  const [control, user, unknown, unused] = [256, 257, 258, 259];

  test('user-defined ones are found in any text, the others when asked for', () => {
    expect(tokenizer.encode('<usr>')).toEqual([user]);
    expect(tokenizer.encode('<ctl><unk>')).toHaveLength(10);
    const text = '<ctl><usr><unk>';
    expect(tokenizer.encode(text, { parseSpecial: true })).toEqual([control, user, unknown]);
    expect(tokenizer.encode('<unused>', { parseSpecial: true })).toHaveLength(8);
  });

  test('control and unknown ones are shown when asked for, unused ones never', () => {
    const ids = [control, user, unknown, unused];
    expect(tokenizer.decode(ids)).toBe('<usr>');
    expect(tokenizer.decode(ids, { special: true })).toBe('<ctl><usr><unk>');
  });
});

describe('BOS and EOS', () => {
  const metadata = () =>
    toyBpe(
      [],
      [
        ['<s>', TYPE.control],
        ['<e>', TYPE.control],
      ],
    )
      .set('tokenizer.ggml.bos_token_id', 256)
      .set('tokenizer.ggml.eos_token_id', 257);

  test('added where the file says so, unless the caller does not want them', () => {
    const tokenizer = createTokenizer(
      metadata().set('tokenizer.ggml.add_bos_token', true).set('tokenizer.ggml.add_eos_token', true),
    );
    expect(texts(tokenizer, tokenizer.encode('a'))).toEqual(['<s>', 'a', '<e>']);
    expect(texts(tokenizer, tokenizer.encode('a', { addSpecial: false }))).toEqual(['a']);
    expect(tokenizer.decode(tokenizer.encode('a'))).toBe('a');
    expect(tokenizer.encode('')).toEqual([256, 257]);
  });

  test('where the file is silent, the pre-tokenizer decides', () => {
    expect(createTokenizer(metadata()).addBos).toBe(false);
    expect(createTokenizer(metadata().set('tokenizer.ggml.pre', 'llama-bpe')).addBos).toBe(true);
    expect(createTokenizer(metadata().set('tokenizer.ggml.pre', 'tekken')).addBos).toBe(true);
  });
});

describe('end of generation', () => {
  const ends = (...extra: string[]) => {
    const tokenizer = createTokenizer(
      toyBpe(
        [],
        extra.map((text) => [text] as const),
      ),
    );
    return texts(tokenizer, [...tokenizer.endOfGeneration]).sort();
  };

  test('by id and by text; such a token is control whatever its type', () => {
    const metadata = toyBpe([], [['<stop>'], ['<|im_end|>'], ['<other>']])
      .set('tokenizer.ggml.eos_token_id', 256)
      .set('tokenizer.ggml.eot_token_id', 258);
    const tokenizer = createTokenizer(metadata);
    expect([...tokenizer.endOfGeneration].sort()).toEqual([256, 257, 258]);
    expect(tokenizer.decode([257])).toBe('');
    expect(tokenizer.encode('<|im_end|>', { parseSpecial: true })).toEqual([257]);
  });

  test('texts of several families', () => {
    expect(ends('<|eot_id|>', '<end_of_turn>', '<|fim_pad|>', '<|file_sep|>', '<|fim_prefix|>')).toEqual([
      '<end_of_turn>',
      '<|eot_id|>',
      '<|file_sep|>',
      '<|fim_pad|>',
    ]);
  });

  test('<|end|> ends nothing beside <|return|> and <|call|>', () => {
    expect(ends('<|end|>')).toEqual(['<|end|>']);
    expect(ends('<|end|>', '<|return|>', '<|call|>')).toEqual(['<|call|>', '<|return|>']);
  });

  test('</s> ends nothing in Gemma 4', () => {
    expect(ends('</s>', '<|tool_response>')).toEqual(['<|tool_response>']);
  });
});

test('Phi 3: control tokens swallow the white space after them', () => {
  const metadata = toyBpe(
    [],
    [
      ['<|end|>', TYPE.control],
      ['<s>', TYPE.control],
    ],
  ).set('general.name', 'Phi-3 mini');
  const tokenizer = createTokenizer(metadata);
  const ids = tokenizer.encode('a <|end|>\n b<s> c', { parseSpecial: true });
  expect(texts(tokenizer, ids)).toEqual(['a', 'Ġ', '<|end|>', 'b', '<s>', 'Ġ', 'c']);
});

describe('SPM', () => {
  const words: [string, number, number][] = [
    ['▁', 1, -5],
    ['a', 1, -4],
    ['b', 1, -4],
    ['▁a', 1, -2],
    ['ab', 1, -1],
    ['▁▁', 1, -3],
    ['\n', 1, -6],
    ['\n\n', TYPE.userDefined, 0],
  ];

  test('the space before a text is added, and dropped again', () => {
    const tokenizer = createTokenizer(toySpm(words));
    const ids = tokenizer.encode('a ab', { addSpecial: false });
    expect(texts(tokenizer, ids)).toEqual(['▁a', '▁', 'ab']);
    expect(tokenizer.decode(ids)).toBe('a ab');
    // Continuing something, the space is part of the text.
    const next = tokenizer.decoder();
    expect(ids.map((id) => next.push(id)).join('')).toBe(' a ab');
  });

  test('after a special token, the space is added again', () => {
    const tokenizer = createTokenizer(toySpm(words));
    const ids = tokenizer.encode('a<s>a', { parseSpecial: true });
    expect(texts(tokenizer, ids)).toEqual(['<s>', '▁a', '<s>', '▁a']);
  });

  test('Gemma: no space is added; user-defined tokens are found first', () => {
    const tokenizer = createTokenizer(toySpm(words).set('tokenizer.ggml.add_space_prefix', false));
    const ids = tokenizer.encode('a  ab\n\n\n', { addSpecial: false });
    expect(texts(tokenizer, ids)).toEqual(['a', '▁▁', 'ab', '\n\n', '\n']);
    expect(tokenizer.decode(ids)).toBe('a  ab\n\n\n');
    expect(tokenizer.decode(tokenizer.encode(' a', { addSpecial: false }))).toBe(' a');
  });

  test('what is no token is written in bytes', () => {
    const tokenizer = createTokenizer(toySpm(words));
    const ids = tokenizer.encode('aé', { addSpecial: false });
    expect(texts(tokenizer, ids)).toEqual(['▁a', '<0xC3>', '<0xA9>']);
    expect(tokenizer.decode(ids)).toBe('aé');
  });

  test('tokens with a space inside are merged across words', () => {
    const tokenizer = createTokenizer(toySpm([...words, ['a▁', 1, -0.5], ['a▁b', 1, -0.4]]));
    expect(texts(tokenizer, tokenizer.encode('a b', { addSpecial: false }))).toEqual(['▁', 'a▁b']);
  });

  test('100 KB without a space come back', () => {
    const tokenizer = createTokenizer(toySpm(words));
    const line = 'ab'.repeat(50_000);
    expect(tokenizer.decode(tokenizer.encode(line, { addSpecial: false }))).toBe(line);
  });
});
