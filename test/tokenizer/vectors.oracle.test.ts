import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/index.ts';
import type { Tokenizer } from '../../src/tokenizer/index.ts';
import { readMetadata } from './read-metadata.ts';
import { checkVectors } from './vectors.ts';
import type { Vectors } from './vectors.ts';

/**
 * All of llama.cpp's vectors. NIBBLE_ORACLE: a directory with tokenizer/NAME.vectors.json and NAME.vocab.gguf.gz;
 * NIBBLE_SMOLLM2: the model file that the smollm2 vectors belong to.
 */
const oracle = process.env['NIBBLE_ORACLE'];
const smollm2 = process.env['NIBBLE_SMOLLM2'];

const EMPTY: Vectors = {
  name: '',
  n_tokens: 0,
  bos: 0,
  eos: 0,
  eog: [],
  add_bos: false,
  add_eos: false,
  pieces_b64: {},
  cases: [],
};

for (const name of [
  'llama-bpe',
  'qwen2',
  'tekken-40k',
  'spm-mistral-v1',
  'smollm2',
  'wordpiece-minilm',
  'ugm-t5',
]) {
  const folder = join(oracle ?? '', 'tokenizer');
  const vocabulary = name === 'smollm2' ? smollm2 : join(folder, `${name}.vocab.gguf.gz`);
  const available = oracle !== undefined && vocabulary !== undefined && existsSync(vocabulary);
  describe.skipIf(!available)(`vectors of ${name}`, () => {
    let tokenizer: Tokenizer;
    beforeAll(async () => {
      tokenizer = createTokenizer(await readMetadata(vocabulary!));
    });
    const file = join(folder, `${name}.vectors.json`);
    checkVectors(available ? (JSON.parse(readFileSync(file, 'utf8')) as Vectors) : EMPTY, () => tokenizer);
  });
}
