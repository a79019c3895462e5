/** All cases of the oracle; NIBBLE_ORACLE names its directory. */
import { describe, test } from 'vitest';
import { testCases } from './cases.ts';

const oracle = process.env['NIBBLE_ORACLE'];

describe('distributions equal llama.cpp (oracle)', () => {
  if (oracle) testCases(`${oracle}/sampling`);
  else test.skip('NIBBLE_ORACLE is not set', () => undefined);
});
