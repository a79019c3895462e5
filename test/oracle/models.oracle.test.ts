/** All tiny models of the oracle. NIBBLE_ORACLE: its directory. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { testEncoder } from './encoder-suite.ts';
import { testGolden } from './golden-suite.ts';

const oracle = process.env['NIBBLE_ORACLE'];

const ENCODERS = /bert/;

if (oracle === undefined) {
  test.skip('the oracle of models: NIBBLE_ORACLE is not set', () => undefined);
} else {
  const root = join(oracle, 'models');
  describe.each(readdirSync(root))('%s', (name) => {
    if (ENCODERS.test(name)) testEncoder(join(root, name));
    else testGolden(join(root, name));
  });
}
