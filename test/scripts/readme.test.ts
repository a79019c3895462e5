import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('the tables in README.md and docs/ are those of the repository', () => {
  const script = fileURLToPath(new URL('../../scripts/readme.mjs', import.meta.url));
  // Throws, with the script's message, where a table is out of date.
  expect(execFileSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toBe('');
});
