/** Whole processes: errors while loading, and that a process ends by itself, without process.exit. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BROKEN } from './broken.ts';
import { runChild } from './children.ts';
import { TINY_CHAT } from './fixtures.ts';

test('each broken model: one clear error, and no thread stays behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nibble-broken-'));
  try {
    const paths: string[] = [];
    for (const { make } of BROKEN) paths.push(await make(folder));
    const { code, stdout, stderr } = await runChild('load-all.mjs', ...paths, TINY_CHAT);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const results = JSON.parse(stdout) as { code: string; message: string; loaded?: boolean }[];
    // The last one is whole: what failed before does not matter.
    expect(results.pop()).toEqual({ loaded: true });
    const wrong = BROKEN.flatMap((broken, i) => {
      const { code, message = '' } = results[i]!;
      const right = code === broken.code && broken.message.test(message) && !message.includes('\n');
      return right
        ? []
        : [{ name: broken.name, wanted: `${broken.code} ${broken.message}`, got: results[i] }];
    });
    expect(wrong).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

describe('the process ends by itself', () => {
  test.each(['idle', 'running'])('after dispose, %s', async (mode) => {
    const { code, stdout, stderr } = await runChild('generate.mjs', TINY_CHAT, mode);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(10);
  });
});
