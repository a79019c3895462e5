import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { homeCandidates, writableHome } from '../../src/platform/node/paths.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble-test-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe('homeCandidates', () => {
  it('puts the caller and NIBBLE_HOME before all others, and nothing after them', () => {
    expect(homeCandidates('x', { NIBBLE_HOME: '/n' })).toEqual([{ path: resolve('x'), chosenBy: 'caller' }]);
    expect(homeCandidates(undefined, { NIBBLE_HOME: folder, XDG_CACHE_HOME: '/c' })).toEqual([
      { path: folder, chosenBy: 'NIBBLE_HOME' },
    ]);
  });

  it('honours an absolute XDG_CACHE_HOME, then the system, then a temporary folder', () => {
    const candidates = homeCandidates(undefined, {
      XDG_CACHE_HOME: folder,
      HOME: folder,
      USERPROFILE: folder,
    });
    expect(candidates.map((candidate) => candidate.chosenBy)).toEqual([
      'XDG_CACHE_HOME',
      'system',
      'temporary',
    ]);
    expect(candidates[0]!.path).toBe(join(folder, 'nibble'));
    expect(candidates[1]!.path.startsWith(folder)).toBe(true);
    const relative = homeCandidates(undefined, { XDG_CACHE_HOME: 'cache', HOME: folder });
    expect(relative[0]!.chosenBy).toBe('system');
  });
});

describe('writableHome', () => {
  it('falls back with a notice', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    // A home that can never be written, on any system and as any user: below a file.
    const env = { XDG_CACHE_HOME: join(file, 'x'), HOME: folder, USERPROFILE: folder };
    const home = await writableHome(undefined, env);
    expect(home.path.startsWith(folder)).toBe(true);
    expect(home.notice).toMatch(/NIBBLE_HOME/);
    expect((await stat(home.path)).isDirectory()).toBe(true);
    expect(await writableHome(undefined, { NIBBLE_HOME: join(folder, 'new', 'home') })).toEqual({
      path: join(folder, 'new', 'home'),
    });
  });

  it('names NIBBLE_HOME when there is none', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const failed = expect(writableHome(undefined, { NIBBLE_HOME: join(file, 'x') })).rejects;
    await failed.toMatchObject({ code: 'ERR_STORE_READ_ONLY' });
    await expect(writableHome(undefined, { NIBBLE_HOME: join(file, 'x') })).rejects.toThrow(
      /Set NIBBLE_HOME/,
    );
  });
});
