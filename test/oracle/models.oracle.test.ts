/** All tiny models of the oracle. NIBBLE_ORACLE: its directory. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { testGolden } from './golden-suite.ts';

const oracle = process.env['NIBBLE_ORACLE'];

/** Not yet supported: latent attention, encoders. */
const OTHERS = /deepseek2|bert/;

if (oracle === undefined) {
  test.skip('the oracle of models: NIBBLE_ORACLE is not set', () => undefined);
} else {
  const root = join(oracle, 'models');
  const names = readdirSync(root).filter((name) => !OTHERS.test(name));
  describe.each(names)('%s', (name) => testGolden(join(root, name)));
}
