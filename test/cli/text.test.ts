/** tokenize and detokenize. */
import { gunzipSync } from 'node:zlib';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { golden, MODEL, run, runJson, scratch } from './run.ts';

test("llama.cpp's ids of a text; --json adds the tokens", async () => {
  const { text, ids } = golden.held_out_text;
  const { code, stdout } = await run(['tokenize', '-m', MODEL, '--ids', text]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual(ids);
  const json = await runJson<{ ids: number[]; tokens: { id: number; text: string }[] }>([
    'tokenize',
    '-m',
    MODEL,
    '-p',
    text,
  ]);
  expect(json.ids).toEqual(ids);
  expect(json.tokens.map((token) => token.id)).toEqual(ids);
});

test('there and back, byte for byte, through a file and a pipe', async () => {
  const text = '  Grüße,\r\n\t日本語 🙂 <|im_start|> end\n\n';
  const file = join(scratch, 'text.txt');
  await writeFile(file, text);
  const ids = await run(['tokenize', '-m', MODEL, '--ids', '-f', file]);
  const back = await run(['detokenize', '-m', MODEL, '--special', '-'], { input: ids.stdout });
  expect(back).toMatchObject({ code: 0, stdout: text, stderr: '' });
  const piped = await run(['tokenize', '-m', MODEL, '--ids', '-'], { input: text });
  expect(piped.stdout).toBe(ids.stdout);
});

test('--no-special keeps the text of special tokens, detokenize hides control tokens', async () => {
  const parsed = JSON.parse(
    (await run(['tokenize', '-m', MODEL, '--ids', 'a<|im_end|>'])).stdout,
  ) as number[];
  expect(parsed.at(-1)).toBe(2);
  const plain = await run(['tokenize', '-m', MODEL, '--ids', '--no-special', 'a<|im_end|>']);
  expect(JSON.parse(plain.stdout)).not.toContain(2);
  const shown = await runJson<{ text: string }>(['detokenize', '-m', MODEL, '--ids', parsed.join(',')]);
  expect(shown.text).toBe('a');
});

test('a file that holds only a vocabulary will do; --no-bos', async () => {
  const packed = await readFile(
    new URL('../fixtures/tokenizer/spm-mistral-v1.vocab.gguf.gz', import.meta.url),
  );
  const vocabulary = join(scratch, 'vocab.gguf');
  await writeFile(vocabulary, gunzipSync(packed));
  const ids = async (...args: string[]): Promise<number[]> =>
    JSON.parse((await run(['tokenize', '-m', vocabulary, '--ids', ...args, 'Hello'])).stdout) as number[];
  expect(await ids()).toEqual([1, ...(await ids('--no-bos'))]);
});
