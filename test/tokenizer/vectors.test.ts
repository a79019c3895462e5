import { readFileSync } from 'node:fs';
import { beforeAll, describe } from 'vitest';
import { createTokenizer } from '../../src/tokenizer/index.ts';
import type { Tokenizer } from '../../src/tokenizer/index.ts';
import { fixture, readMetadata } from './read-metadata.ts';
import { checkVectors } from './vectors.ts';
import type { Vectors } from './vectors.ts';

describe.each(['spm-mistral-v1', 'tekken-40k'])('vectors of %s', (name) => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = createTokenizer(await readMetadata(fixture(`${name}.vocab.gguf.gz`)));
  });
  checkVectors(JSON.parse(readFileSync(fixture(`${name}.vectors.json`), 'utf8')) as Vectors, () => tokenizer);
});
