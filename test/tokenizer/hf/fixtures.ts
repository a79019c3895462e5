import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { WritableValue } from '../../../src/gguf/writable.ts';
import { asRead, ggufTokenizerMetadata } from '../../../src/tokenizer/hf/index.ts';
import type { TokenizerConversionOptions } from '../../../src/tokenizer/hf/index.ts';
import { createTokenizer } from '../../../src/tokenizer/index.ts';
import type { Tokenizer } from '../../../src/tokenizer/index.ts';

export interface Vector {
  text: string;
  ids: number[];
}

/** Bytes of a file among the tiny vocabularies. */
export function tiny(name: string): Uint8Array {
  return readFileSync(fileURLToPath(new URL(`../../fixtures/tokenizer/hf/${name}`, import.meta.url)));
}

export function vectors(name: string): Vector[] {
  return (JSON.parse(Buffer.from(tiny(`${name}.vectors.json`)).toString()) as { cases: Vector[] }).cases;
}

export function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function parsed(name: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(tiny(name)).toString()) as Record<string, unknown>;
}

export function metadataOf(
  files: Record<string, Uint8Array>,
  options?: TokenizerConversionOptions,
): Map<string, WritableValue> {
  return ggufTokenizerMetadata(new Map(Object.entries(files)), options);
}

export function tokenizerOf(files: Record<string, Uint8Array>): Tokenizer {
  return createTokenizer(asRead(metadataOf(files)));
}
