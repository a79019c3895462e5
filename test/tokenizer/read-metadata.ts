import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { memorySource, readGguf } from '../../src/gguf/index.ts';
import type { GgufValue } from '../../src/gguf/types.ts';

/** The metadata of a GGUF file, gzipped or not. */
export async function readMetadata(path: string): Promise<Map<string, GgufValue>> {
  const file = readFileSync(path);
  const bytes = path.endsWith('.gz') ? gunzipSync(file) : file;
  return (await readGguf(memorySource(bytes, path))).metadata;
}
