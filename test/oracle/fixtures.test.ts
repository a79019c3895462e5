/** The part of the oracle that the repository carries. */
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { testEncoder } from './encoder-suite.ts';
import { testGolden } from './golden-suite.ts';

const NAMES = [
  'llama-tied-spm',
  'llama-ropefreqs',
  'qwen2',
  'qwen3',
  'gemma3',
  'gpt2',
  'phi3-longrope',
  'llama-quant-legacy',
  'llama-quant-k',
  'llama-q4_0-legacy',
  'llama-quant-moe',
];

const folderOf = (name: string) => fileURLToPath(new URL(`../fixtures/models/${name}`, import.meta.url));

describe.each(NAMES)('%s', (name) => {
  testGolden(folderOf(name));
});

describe('bert', () => testEncoder(folderOf('bert')));
