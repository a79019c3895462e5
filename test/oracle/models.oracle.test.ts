/** All tiny models of the oracle whose architecture the engine runs. NIBBLE_ORACLE: its directory. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ARCHITECTURES } from '../../src/engine/architectures/index.ts';
import { readGolden } from './golden.ts';
import { testGolden } from './golden-suite.ts';

const oracle = process.env['NIBBLE_ORACLE'];

/** Architectures that naive.test.ts compares. */
const ELSEWHERE = ['qwen3moe'];

if (oracle === undefined) {
  test.skip('the oracle of models: NIBBLE_ORACLE is not set', () => undefined);
} else {
  const root = join(oracle, 'models');
  const known = new Set(ARCHITECTURES.map(({ name }) => name));
  const names = readdirSync(root).filter((name) => known.has(readGolden(join(root, name)).arch));
  test('there are models of every architecture', () => {
    const covered = new Set(names.map((name) => readGolden(join(root, name)).arch));
    expect([...known].filter((name) => !covered.has(name))).toEqual(ELSEWHERE);
  });
  describe.each(names)('%s', (name) => testGolden(join(root, name)));
}
