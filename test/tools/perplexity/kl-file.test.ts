/** Files that cannot be written are named, with the reason in words. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeReason } from '../../../src/platform/node/write-reason.ts';
import { KlWriter } from '../../../tools/perplexity/kl-file.ts';

const header = { window: 2, vocabulary: 4, tokens: Int32Array.of(1, 2) };

test.runIf(existsSync('/dev/full'))('a full disk', async () => {
  await expect(KlWriter.create('/dev/full', header)).rejects.toThrow(
    'cannot write /dev/full: the disk is full',
  );
});

test('the file appears when it is whole, or not at all', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nibble kl '));
  try {
    const path = join(folder, 'base.kld');
    const abandoned = await KlWriter.create(path, header);
    await abandoned.abort();
    expect(await readdir(folder)).toEqual([]);
    const writer = await KlWriter.create(path, header);
    expect(existsSync(path)).toBe(false);
    await writer.close();
    expect(await readdir(folder)).toEqual(['base.kld']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a folder that is not there', async () => {
  await expect(KlWriter.create('/no/such/folder/base.kld', header)).rejects.toThrow(
    'cannot write /no/such/folder/base.kld: there is no such folder',
  );
});

test('reasons that have no words yet are given as the system says them', () => {
  expect(writeReason(Object.assign(new Error('text'), { code: 'EIO' }))).toBe('EIO');
  expect(writeReason(new Error('text'))).toBe('text');
});
