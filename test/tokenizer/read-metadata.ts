import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { memorySource, readGguf } from '../../src/gguf/index.ts';
import type { GgufValue } from '../../src/gguf/types.ts';

/** Path of a file among the tokenizer fixtures. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/tokenizer/${name}`, import.meta.url));
}

/** The tiny chat model that comes with the repository: GPT-2's pre-tokenizer, 1,280 tokens. */
export const TINY_CHAT = fileURLToPath(
  new URL('../../models/tiny-chat/tiny-chat.Q4_0.gguf', import.meta.url),
);

/** The metadata of a GGUF file, gzipped or not. */
export async function readMetadata(path: string): Promise<Map<string, GgufValue>> {
  const file = readFileSync(path);
  const bytes = path.endsWith('.gz') ? gunzipSync(file) : file;
  return (await readGguf(memorySource(bytes, path))).metadata;
}
