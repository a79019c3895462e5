import { Tokenizer as HfTokenizer } from '@huggingface/tokenizers';
import { describe, expect, test } from 'vitest';
import { memorySource, readGguf } from '../../../src/gguf/index.ts';
import { memorySink } from '../../../src/gguf/sinks.ts';
import { writeGguf } from '../../../src/gguf/writer.ts';
import { asRead } from '../../../src/tokenizer/hf/index.ts';
import { json, metadataOf, parsed, tiny, tokenizerOf, vectors } from './fixtures.ts';

/** Each: files of a checkpoint, the vectors they belong to, and whether these read special tokens in the text. */
const CHECKPOINTS = [
  ['a SentencePiece BPE model', { 'tokenizer.model': tiny('spm-tiny.model') }, 'spm-tiny', false],
  [
    'the same in tokenizer.json',
    { 'tokenizer.json': tiny('character-bpe-tiny.tokenizer.json') },
    'character-bpe-tiny',
    true,
  ],
  ['a SentencePiece Unigram model', { 'spiece.model': tiny('unigram-tiny.model') }, 'unigram-tiny', false],
  [
    'the same in tokenizer.json',
    { 'tokenizer.json': tiny('unigram-tiny.tokenizer.json') },
    'unigram-tiny',
    false,
  ],
  ['byte-level BPE', { 'tokenizer.json': tiny('byte-level-tiny.tokenizer.json') }, 'byte-level-tiny', true],
] as const;

describe.each(CHECKPOINTS)('%s', (_what, files, name, parseSpecial) => {
  test('gives the ids of the library that made it', () => {
    const tokenizer = tokenizerOf(files);
    for (const { text, ids } of vectors(name)) {
      // As llama.cpp, a space prefix is not written before a user-defined token, and is written after it.
      if (name === 'unigram-tiny' && text.startsWith('<extra_0>')) continue;
      if (name.includes('bpe-tiny') && text.includes('<')) continue;
      if (name === 'spm-tiny' && text.includes('<tool>')) continue;
      expect([text, tokenizer.encode(text, { addSpecial: false, parseSpecial })]).toEqual([text, ids]);
    }
  });
});

test('SentencePiece: user-defined tokens are found in any text, control tokens where asked for', () => {
  const tokenizer = tokenizerOf({ 'tokenizer.model': tiny('spm-tiny.model') });
  const [tool, turn] = [tokenizer.tokenId('<tool>')!, tokenizer.tokenId('<turn>')!];
  expect(tokenizer.encode('a<tool>b <turn> c', { addSpecial: false })).toContain(tool);
  expect(tokenizer.encode('a<tool>b <turn> c', { addSpecial: false })).not.toContain(turn);
  expect(tokenizer.encode('a<tool>b <turn> c', { parseSpecial: true })).toContain(turn);
  expect([tokenizer.bos, tokenizer.eos, tokenizer.addBos]).toEqual([1, 2, true]);
});

test('byte-level BPE gives the ids of @huggingface/tokenizers', () => {
  const file = 'byte-level-tiny.tokenizer.json';
  const peer = new HfTokenizer(parsed(file), {});
  const tokenizer = tokenizerOf({ 'tokenizer.json': tiny(file) });
  for (const { text } of vectors('byte-level-tiny')) {
    const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: true });
    expect([text, ids]).toEqual([text, peer.encode(text, { add_special_tokens: false }).ids]);
    expect(tokenizer.decode(ids, { special: true })).toBe(text);
  }
});

describe('what is said about special tokens', () => {
  const model = tiny('byte-level-tiny.tokenizer.json');
  const config = json({ bos_token: '<|begin|>', eos_token: { content: '<|end|>' } });

  test('ids by text, BOS by the template', () => {
    const metadata = asRead(metadataOf({ 'tokenizer.json': model, 'tokenizer_config.json': config }));
    const tokenizer = tokenizerOf({ 'tokenizer.json': model, 'tokenizer_config.json': config });
    expect(metadata.get('tokenizer.ggml.pre')).toBe('llama-bpe');
    expect(metadata.get('tokenizer.ggml.bos_token_id')).toBe(tokenizer.tokenId('<|begin|>'));
    expect(metadata.get('tokenizer.ggml.eos_token_id')).toBe(tokenizer.tokenId('<|end|>'));
    expect(metadata.get('tokenizer.ggml.add_bos_token')).toBe(true);
    expect(metadata.get('tokenizer.ggml.add_eos_token')).toBe(false);
  });

  test('what the configuration says about BOS counts before the template', () => {
    const files = { 'tokenizer.json': model, 'tokenizer_config.json': json({ add_bos_token: false }) };
    expect(asRead(metadataOf(files)).get('tokenizer.ggml.add_bos_token')).toBe(false);
  });

  test('ids of config.json, and a second end of generation', () => {
    const files = {
      'tokenizer.json': model,
      'config.json': json({ bos_token_id: 5, eos_token_id: [6, 7] }),
      'generation_config.json': json({ eos_token_id: [6, 8] }),
    };
    const metadata = asRead(metadataOf(files));
    expect(['bos', 'eos', 'eot'].map((name) => metadata.get(`tokenizer.ggml.${name}_token_id`))).toEqual([
      5, 6, 8,
    ]);
  });
});

test('rows of the embedding beyond the vocabulary become unused tokens', () => {
  const files = { 'tokenizer.json': tiny('byte-level-tiny.tokenizer.json') };
  const size = (asRead(metadataOf(files)).get('tokenizer.ggml.tokens') as string[]).length;
  const metadata = asRead(metadataOf(files, { vocabularySize: size + 5 }));
  const tokens = metadata.get('tokenizer.ggml.tokens') as string[];
  expect(tokens.slice(size)).toEqual([0, 1, 2, 3, 4].map((i) => `[PAD${size + i}]`));
  expect((metadata.get('tokenizer.ggml.token_type') as Int32Array).at(-1)).toBe(5);
});

test('merges that SentencePiece would not make are warned of', () => {
  const model = parsed('character-bpe-tiny.tokenizer.json');
  const warnings: string[] = [];
  const merges = (model['model'] as { merges: unknown[] }).merges;
  merges.reverse();
  metadataOf({ 'tokenizer.json': json(model) }, { onWarning: (message) => warnings.push(message) });
  expect(warnings).toEqual([]); // another order is but other scores
  merges.splice(3, 1);
  metadataOf({ 'tokenizer.json': json(model) }, { onWarning: (message) => warnings.push(message) });
  expect(warnings).toEqual([expect.stringMatching(/1 tokens are not merged as SentencePiece/)]);
});

describe('BERT', () => {
  const lines = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'un', '##able', 'Un'];
  const config = { cls_token: '[CLS]', sep_token: '[SEP]', unk_token: '[UNK]' };

  test('vocab.txt: a token a line', () => {
    const files = {
      'vocab.txt': new TextEncoder().encode(`${lines.join('\n')}\n`),
      'tokenizer_config.json': json({ ...config, do_lower_case: false }),
    };
    const tokenizer = tokenizerOf(files);
    expect(tokenizer.encode('Unable unable')).toEqual([2, 6, 5, 4, 5, 3]);
    expect(tokenizer.decode([2, 4, 5, 3])).toBe(' unable');
  });

  test('without [CLS] named, it is refused', () => {
    const files = { 'vocab.txt': new TextEncoder().encode(lines.join('\n')) };
    expect(() => metadataOf(files)).toThrow(/cls_token and sep_token/);
  });
});

test('the metadata can be written and read again', async () => {
  for (const [, files] of CHECKPOINTS) {
    const metadata = metadataOf(files);
    const sink = memorySink();
    await writeGguf(sink, { metadata, tensors: [] });
    const { metadata: read } = await readGguf(memorySource(sink.bytes(), 'memory'));
    expect(new Map(read)).toEqual(new Map(asRead(metadata)));
  }
});
