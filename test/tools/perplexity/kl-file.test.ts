/** Files that cannot be written are named, with the reason in words. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { writeReason } from '../../../src/platform/node/write-reason.ts';
import { KlWriter } from '../../../tools/perplexity/kl-file.ts';

const header = { window: 2, vocabulary: 4, tokens: Int32Array.of(1, 2) };

test.runIf(existsSync('/dev/full'))('a full disk', async () => {
  await expect(KlWriter.create('/dev/full', header)).rejects.toThrow(
    'cannot write /dev/full: the disk is full',
  );
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
