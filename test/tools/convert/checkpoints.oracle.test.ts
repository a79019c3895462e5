/** All checkpoints of the oracle. NIBBLE_ORACLE: its directory. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { hasGolden, testCheckpoint } from './checkpoint-suite.ts';

const oracle = process.env['NIBBLE_ORACLE'];

if (oracle === undefined) {
  test.skip('the oracle of checkpoints: NIBBLE_ORACLE is not set', () => undefined);
} else {
  const root = join(oracle, 'hf');
  const names = readdirSync(root).filter((name) => hasGolden(join(root, name)));
  describe.each(names)('%s', (name) => testCheckpoint(join(root, name)));
}
