/** The part of the oracle's checkpoints that the repository carries. */
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { testCheckpoint } from './checkpoint-suite.ts';

describe.each(['openelm', 'gptq', 'qwen2moe'])('%s', (name) => {
  testCheckpoint(fileURLToPath(new URL(`../../fixtures/checkpoints/${name}`, import.meta.url)));
});
