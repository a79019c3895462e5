/** Whole processes: errors while loading, and that a process ends by itself, without process.exit. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { BROKEN } from './broken.ts';
import { TINY_CHAT } from './fixtures.ts';

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a script of children/ until it ends; one that does not is killed, and has no code. */
function run(script: string, ...args: string[]): Promise<Ended> {
  const path = fileURLToPath(new URL(`./children/${script}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ ...ended, code });
    });
  });
}

test('each broken model: one clear error, and no thread stays behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nibble-broken-'));
  try {
    const paths: string[] = [];
    for (const { make } of BROKEN) paths.push(await make(folder));
    const { code, stdout, stderr } = await run('load-all.mjs', ...paths, TINY_CHAT);
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
    const { code, stdout, stderr } = await run('generate.mjs', TINY_CHAT, mode);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(10);
  });
});
