import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenizerError } from '../../../src/errors.ts';
import { json, metadataOf, parsed, tiny } from './fixtures.ts';

/** Either a result or a TokenizerError; anything else fails. */
function isContained(run: () => unknown): boolean {
  try {
    run();
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
  }
  return true;
}

describe('SentencePiece files', () => {
  const model = tiny('unigram-tiny.model');

  test('cut anywhere', () => {
    for (let length = 0; length < model.length; length += 7) {
      expect(isContained(() => metadataOf({ 'spiece.model': model.subarray(0, length) }))).toBe(true);
    }
  });

  test('with bytes changed', () => {
    const changes = fc.array(fc.tuple(fc.nat(model.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(changes, (list) => {
        const broken = Uint8Array.from(model);
        for (const [at, byte] of list) broken[at] = byte;
        return isContained(() => metadataOf({ 'spiece.model': broken }));
      }),
    );
  });

  const field = (number: number, wireType: number, ...bytes: number[]) => [number * 8 + wireType, ...bytes];
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const piece = (...fields: number[]) => field(1, 2, fields.length, ...fields);

  test.each<[string, number[], RegExp]>([
    ['empty', [], /tokenizer\.model holds no pieces/],
    ['a length beyond the end', field(1, 2, 0xff, 0xff, 0xff, 0xff, 0x0f), /does not fit/],
    ['an endless number', [0x08, ...Array<number>(20).fill(0xff)], /more than ten bytes/],
    ['a number that is cut', [0x08, 0xff], /ends within a number/],
    ['a wire type that does not exist', [0x0f, 1], /wire type 7/],
    ['a piece that is no text', piece(...field(1, 2, 1, 0xff)), /piece 0 is not valid UTF-8/],
    [
      'a piece of no type',
      piece(...field(1, 2, ...text('a')), ...field(3, 0, 9)),
      /piece 0 has the unknown type 9/,
    ],
    [
      'the same piece twice',
      [...piece(...field(1, 2, ...text('a'))), ...piece(...field(1, 2, ...text('a')))],
      /tokens 0 and 1 are both "a"/,
    ],
    [
      'a model of words',
      [...piece(...field(1, 2, ...text('a'))), ...field(2, 2, 2, 0x18, 3)],
      /neither a Unigram nor/,
    ],
  ])('%s', (_fault, bytes, message) => {
    const files = { 'tokenizer.model': Uint8Array.from(bytes) };
    expect(() => metadataOf(files)).toThrow(TokenizerError);
    expect(() => metadataOf(files)).toThrow(message);
  });

  test('a file of that name in another format is passed over where tokenizer.json is there', () => {
    const files = {
      'tokenizer.model': new TextEncoder().encode('IQ== 0\nIg== 1\n'),
      'tokenizer.json': tiny('character-bpe-tiny.tokenizer.json'),
    };
    expect(metadataOf(files).get('tokenizer.ggml.model')).toBe('llama');
  });
});

describe('tokenizer.json', () => {
  const base = parsed('byte-level-tiny.tokenizer.json');
  const model = base['model'] as Record<string, unknown>;

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['no model', { ...base, model: null }, /model is not a JSON object/],
    [
      'a model of another kind',
      { ...base, model: { ...model, type: 'WordLevel' } },
      /"WordLevel" is not supported/,
    ],
    ['an id that is no number', with_('vocab', { a: 'b' }), /model\.vocab\["a"\] is not a number/],
    ['an id far from all others', with_('vocab', { a: 0, b: 1e9 }), /"b" has the id 1000000000/],
    ['an id below zero', with_('vocab', { a: -1 }), /"a" has the id -1/],
    ['an id that is no integer', with_('vocab', { a: 0.5 }), /"a" has the id 0.5/],
    ['two tokens with one text', { ...base, added_tokens: [{ id: 3, content: '!' }] }, /are both "!"/],
    ['merges that are no list', with_('merges', 7), /model\.merges is not a list/],
    ['a merge of one', with_('merges', ['ab']), /model\.merges\[0\] does not hold two/],
    ['a merge of three', with_('merges', [['a', 'b', 'c']]), /model\.merges\[0\] does not hold two/],
    ['suffixes', with_('end_of_word_suffix', '</w>'), /end_of_word_suffix is not supported/],
    ['an added token without text', { ...base, added_tokens: [{ id: 3 }] }, /added_tokens\[0\]\.content/],
    ['sequences without end', { ...base, pre_tokenizer: nested(40) }, /nested more than 8 deep/],
    ['BPE of neither kind', { ...base, pre_tokenizer: null }, /neither is byte-level nor writes spaces/],
  ])('%s', (_fault, file, message) => {
    expect(() => metadataOf({ 'tokenizer.json': json(file) })).toThrow(TokenizerError);
    expect(() => metadataOf({ 'tokenizer.json': json(file) })).toThrow(message);
  });

  test.each([
    ['not JSON', '{"model": '],
    ['a list', '[]'],
  ])('%s', (_fault, content) => {
    expect(() => metadataOf({ 'tokenizer.json': new TextEncoder().encode(content) })).toThrow(
      /tokenizer\.json is not/,
    );
  });

  test('a vocabulary larger than any', () => {
    const files = { 'tokenizer.json': json(base) };
    expect(() => metadataOf(files, { vocabularySize: 1e9 })).toThrow(/1000000000 tokens is not plausible/);
  });

  function with_(key: string, value: unknown): Record<string, unknown> {
    return { ...base, model: { ...model, [key]: value } };
  }

  function nested(depth: number): unknown {
    return depth === 0 ? null : { type: 'Sequence', pretokenizers: [nested(depth - 1)] };
  }
});
