import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { createTokenizer, createTokenizerAsync } from '../../src/tokenizer/index.ts';
import type { Tokenizer } from '../../src/tokenizer/index.ts';
import { fixture, readMetadata, TINY_CHAT } from './read-metadata.ts';

interface Golden {
  special: Record<string, number>;
  held_out_text: { text: string; ids: number[] };
  prompts: { name: string; text: string; ids: number[] }[];
}

const golden = JSON.parse(readFileSync(fixture('../tiny-chat/golden.json'), 'utf8')) as Golden;
let tokenizer: Tokenizer;

beforeAll(async () => {
  tokenizer = createTokenizer(await readMetadata(TINY_CHAT));
});

test("llama.cpp's ids of plain text", () => {
  const { text, ids } = golden.held_out_text;
  expect(tokenizer.encode(text)).toEqual(ids);
  expect(tokenizer.decode(ids)).toBe(text);
});

test.each(golden.prompts)("llama.cpp's ids of the prompt $name", ({ text, ids }) => {
  expect(tokenizer.encode(text, { parseSpecial: true })).toEqual(ids);
  expect(tokenizer.decode(ids, { special: true })).toBe(text);
  const shown = tokenizer.decoder({ special: true });
  expect(ids.map((id) => shown.push(id)).join('') + shown.flush()).toBe(text);
});

test('control tokens in a text stay text unless asked for', () => {
  const ids = tokenizer.encode('<|im_end|>');
  expect(ids).not.toContain(golden.special['<|im_end|>']);
  expect(tokenizer.decode(ids)).toBe('<|im_end|>');
});

test('what the metadata say', () => {
  expect(tokenizer.kind).toBe('gpt2');
  expect(tokenizer.size).toBe(1280);
  expect([tokenizer.bos, tokenizer.eos, tokenizer.addBos, tokenizer.addEos]).toEqual([0, 2, false, false]);
  expect([...tokenizer.endOfGeneration].sort()).toEqual([0, 2]);
  expect(tokenizer.tokenId('<|im_start|>')).toBe(1);
  expect(tokenizer.tokenText(1)).toBe('<|im_start|>');
  expect(tokenizer.tokenText(1280)).toBeUndefined();
  expect(tokenizer.tokenText(-1)).toBeUndefined();
  expect(tokenizer.tokenId('no such token')).toBeUndefined();
  expect(tokenizer.piece(99_999, true)).toEqual(new Uint8Array(0));
});

test('llama.cpp cleans spaces of this vocabulary; it is offered, not forced', () => {
  const text = "well , it 's 5 o ' clock . they 've gone ?";
  const ids = tokenizer.encode(text);
  expect(tokenizer.decode(ids)).toBe(text);
  expect(tokenizer.decode(ids, { cleanSpaces: true })).toBe("well, it's 5 o'clock. they've gone?");
});

test('built in slices, it is the same, and the event loop turns meanwhile', async () => {
  const metadata = await readMetadata(fixture('tekken-40k.vocab.gguf.gz'));
  let turns = 0;
  let done = false;
  const turn = () => {
    turns++;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  const sliced = await createTokenizerAsync(metadata);
  done = true;
  expect(turns).toBeGreaterThan(0);
  const text = 'The same, whichever way: naïve 你好 12345\n';
  expect(sliced.encode(text)).toEqual(createTokenizer(metadata).encode(text));
});

test('a failure while building in slices rejects', async () => {
  await expect(createTokenizerAsync(new Map())).rejects.toThrow('tokenizer.ggml.model is missing');
});
