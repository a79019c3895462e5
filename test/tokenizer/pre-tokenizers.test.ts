import { describe, expect, test } from 'vitest';
import { findPreTokenizer, PRE_TOKENIZER_NAMES } from '../../src/tokenizer/pre-tokenizers.ts';
import { splitWords } from '../../src/tokenizer/split-words.ts';

function split(name: string, text: string): string[] {
  const words: string[] = [];
  splitWords(text, findPreTokenizer(name).steps, (word) => words.push(word));
  return words;
}

type Case = [name: string, text: string, words: string[]];

const WORDS: readonly Case[] = [
  ['gpt-2', "I'll pay 1234 $$ now", ['I', "'ll", ' pay', ' 1234', ' $$', ' now']],
  ['gpt-2', "DON'T", ['DON', "'", 'T']],
  ['gpt-2', 'a  b\n\n', ['a', ' ', ' b', '\n\n']],
  ['default', 'a+b, 12345', ['a', '+', 'b', ',', ' ', '123', '45']],
  ['smollm', 'in 1984', ['in', ' ', '1', '9', '8', '4']],
  ['smollm', 'a  7', ['a', '  ', '7']],
  ['llama-bpe', "DON'T 12345", ['DON', "'T", ' ', '123', '45']],
  ['llama-bpe', '(hello)!!\n\nx', ['(hello', ')!!\n\n', 'x']],
  ['llama-bpe', ' \n \n  x', [' \n \n', ' ', ' x']],
  ['qwen2', "it's 12", ['it', "'s", ' ', '1', '2']],
  ['tekken', 'camelCase HTTPServer', ['camel', 'Case', ' HTTPServer']],
  ['tekken', 'a/b//\n1', ['a', '/b', '//\n', '1']],
  ['gpt-4o', "It'S 1234", ["It'S", ' ', '123', '4']],
  ['qwen35', 'नमस्ते 1', ['नमस्ते', ' ', '1']],
  ['falcon', 'x`y 1234', ['x', '`', 'y', ' ', '123', '4']],
  ['deepseek-llm', 'ab 你好，12\n', ['ab', ' ', '你好', '，', '12', '\n']],
  ['deepseek-coder', 'ab, 12\n', ['ab', ',', ' ', '1', '2', '\n']],
  ['deepseek-v3', 'x.foo 1234 日本', ['x', '.foo', ' ', '123', '4', ' ', '日本']],
];

/** What Python's regex module makes of llama.cpp's expressions, in its notation. */
const ELSEWHERE: readonly Case[] = [
  ['bloom', 'Hi (you), the 1st…  end|x', ['Hi', ' (', 'you', '),', ' the', ' 1st', '… ', ' end', '|', 'x']],
  ['viking', 'in 2024.', ['in', ' ', '2', '0', '2', '4', '.']],
  ['jais-2', 'a         b 1234', ['a', '        ', ' b', ' ', '123', '4']],
  [
    'chameleon',
    '<sentinel:12>IMGIMGACZ a    b, 7\n',
    ['<', 'sentinel', ':', '1', '2', '>', 'IMGIMGACZ', ' a', '    ', 'b', ',', ' ', '7', '\n'],
  ],
  ['seed-coder', "we'LL!!\n 12", ['we', "'LL", '!!', '\n', ' ', '1', '2']],
  ['ufakzeka', "İstanbul'daki 12", ['İstanbul', "'daki", ' ', '1', '2']],
  ['laguna', 'a!\n\nb 1', ['a', '!', '\n\n', 'b', ' ', '1']],
  ['minicpm5', 'n   1234', ['n', '   ', '123', '4']],
  ['exaone-moe', 'do you see 12/\n', ['do you see', ' ', '1', '2', '/\n']],
  ['spark2_5', 'x.foo 1234\n\n日本', ['x', '.foo', ' ', '1', '2', '3', '4', '\n', '\n', '日本']],
  ['deepseek-v3', 'a_b 12345 你好!\n', ['a', '_b', ' ', '123', '45', ' ', '你好', '!\n']],
  ['youtu', "한국어 ok，我HTTPServer's 12", ['한국어', ' ok', '，', '我', "HTTPServer's", ' ', '1', '2']],
  ['granite-embed-multi-97m', "नमस्ते It's 1234", ['नमस्ते', " It's", ' ', '123', '4']],
  ['command-r', 'a1b22 c!', ['a', '1', 'b', '2', '2', ' c', '!']],
  ['refact', 'x = 10', ['x', ' =', ' ', '1', '0']],
  ['codeshell', "it's 42", ['it', "'s", ' ', '4', '2']],
  ['mpt', "don't 2024\n  x", ['don', "'t", ' 2024', '\n ', ' x']],
  ['olmo', 'a\t\tb', ['a', '\t', '\t', 'b']],
  ['stablelm2', "I'M 12 \n x", ['I', "'M", ' ', '1', '2', ' \n', ' x']],
  ['deepseek-r1-qwen', '<x> 12\n', ['<x', '>', ' ', '1', '2', '\n']],
  ['dbrx', "X1234'S ..\n", ['X', '123', '4', "'S", ' ..\n']],
  ['chatglm-bpe', '你好 2024\n\n', ['你好', ' ', '202', '4', '\n\n']],
  ['starcoder', 'for(i=0;i<10;i++)', ['for', '(', 'i', '=', '0', ';', 'i', '<', '1', '0', ';', 'i', '++)']],
];

describe('words', () => {
  test.each(WORDS)('%s: %j', (name, text, words) => {
    expect(split(name, text)).toEqual(words);
  });

  test.each(ELSEWHERE)('%s: %j, as another engine cuts it', (name, text, words) => {
    expect(split(name, text)).toEqual(words);
  });

  test('U+0085 is white space and U+FEFF is not, unlike in \\s', () => {
    expect(split('llama-bpe', '\u0085\u0085x')).toEqual(['\u0085', '\u0085x']);
    expect(split('gpt-2', '!\ufeff!')).toEqual(['!\ufeff!']);
  });
});

/** One name for each way of cutting: many are aliases. */
const DISTINCT = [
  ...new Map(PRE_TOKENIZER_NAMES.map((name) => [findPreTokenizer(name).steps.join(), name])).values(),
];

test('every way of cutting is among the words above', () => {
  const stepsOf = (name: string): string => findPreTokenizer(name).steps.join();
  const tested = new Set([...WORDS, ...ELSEWHERE].map(([name]) => stepsOf(name)));
  expect(DISTINCT.filter((name) => !tested.has(stepsOf(name)))).toEqual([]);
});

describe.each(DISTINCT)('%s', (name) => {
  test('loses nothing', () => {
    const text = 'Hello, wörld! 你好 ١٢٣ \r\n\t x²+y² 👨‍👩‍👧 \u3000 end  ';
    expect(split(name, text).join('')).toBe(text);
  });

  // Exponential or quadratic expressions would not come back from these in the time a test has.
  test.each([' ', '\n \t', 'a', 'A', 'Aa', "'", '1', '!', '/', '\u0301', '你', '你A', ' \n', '😀', 'é1'])(
    'is done with 50,000 characters of %j',
    (unit) => {
      const text = unit.repeat(50_000 / unit.length);
      expect(split(name, `${text}.`).join('')).toBe(`${text}.`);
      expect(split(name, `x${text}`).join('')).toBe(`x${text}`);
    },
  );
});

test('an unknown name is an error that lists the known ones', () => {
  expect(() => findPreTokenizer('qwen9')).toThrow(/tokenizer\.ggml\.pre.*"qwen9".*llama-bpe.*tekken/);
  expect(() => findPreTokenizer('__proto__')).toThrow('unknown pre-tokenizer');
});
