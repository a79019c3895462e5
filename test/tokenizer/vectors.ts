import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import type { Tokenizer } from '../../src/tokenizer/index.ts';

/** Vectors made by llama.cpp; the format is that of shared/oracle/tokenizer. */
export interface Vectors {
  name: string;
  n_tokens: number;
  bos: number;
  eos: number;
  eog: number[];
  add_bos: boolean;
  add_eos: boolean;
  pieces_b64: Record<string, [shown: string, hidden: string]>;
  cases: VectorCase[];
}

interface VectorCase {
  text?: string;
  bytes_b64?: string;
  /** null: llama.cpp throws, so nothing is asked but to return. */
  ids: number[] | null;
  /** Only where it differs from `ids`. */
  ids_parse_special?: number[];
  ids_add_and_parse_special?: number[];
  second_impl_ids?: number[];
  detok_b64_ids?: [shown: string, hidden: string];
  detok_b64_ids_add_and_parse_special?: [shown: string, hidden: string];
}

export function checkVectors(vectors: Vectors, get: () => Tokenizer): void {
  test('size, flags and end of generation', () => {
    const tokenizer = get();
    expect(tokenizer.size).toBe(vectors.n_tokens);
    expect(tokenizer.addBos).toBe(vectors.add_bos);
    expect(tokenizer.addEos).toBe(vectors.add_eos);
    // llama.cpp reports its default, 11, for BPE files that name no BOS.
    if (tokenizer.bos !== undefined || vectors.add_bos) expect(tokenizer.bos).toBe(vectors.bos);
    expect(tokenizer.eos).toBe(vectors.eos);
    expect([...tokenizer.endOfGeneration].sort((a, b) => a - b)).toEqual(vectors.eog);
  });

  test('pieces', () => {
    const tokenizer = get();
    const pieces = Object.keys(vectors.pieces_b64).map((id) => [
      id,
      [base64(tokenizer.piece(Number(id), true)), base64(tokenizer.piece(Number(id)))],
    ]);
    expect(Object.fromEntries(pieces)).toEqual(vectors.pieces_b64);
  });

  test.each(vectors.cases.map((vector, index) => [index, vector] as const))('case %i', (_index, vector) => {
    const tokenizer = get();
    const input = vector.bytes_b64 === undefined ? vector.text! : Buffer.from(vector.bytes_b64, 'base64');
    const plain = tokenizer.encode(input, { addSpecial: false });
    if (vector.ids === null) return;
    const second = vector.second_impl_ids;
    expect([vector.ids, second]).toContainEqual(plain);
    // Where the model's own definition was followed, the rest of the case is llama.cpp's other answer.
    if (!isDeepStrictEqual(plain, vector.ids)) return;
    const parsed = tokenizer.encode(input, { addSpecial: false, parseSpecial: true });
    expect(parsed).toEqual(vector.ids_parse_special ?? vector.ids);
    const added = tokenizer.encode(input, { parseSpecial: true });
    expect(added).toEqual(vector.ids_add_and_parse_special);
    checkDecoding(tokenizer, vector.ids, vector.detok_b64_ids);
    checkDecoding(tokenizer, added, vector.detok_b64_ids_add_and_parse_special);
  });
}

function checkDecoding(tokenizer: Tokenizer, ids: number[], expected: [string, string] | undefined): void {
  if (expected === undefined) return;
  const text = (special: boolean) => tokenizer.decode(ids, { special, cleanSpaces: true });
  const [shown, hidden] = expected.map((encoded) => Buffer.from(encoded, 'base64').toString());
  expect(text(true)).toBe(shown);
  expect(text(false)).toBe(hidden);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
