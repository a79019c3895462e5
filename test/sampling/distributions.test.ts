import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { testCases } from './cases.ts';

describe('distributions equal llama.cpp (fixture)', () => {
  testCases(fileURLToPath(new URL('../fixtures/sampling', import.meta.url)));
});
