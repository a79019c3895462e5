/** Every GGUF file among the oracles, against the other readers. NIBBLE_ORACLE names their directory. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { compareWithGgufPackage, compareWithHuggingFace } from './compare.ts';

const ORACLE = process.env['NIBBLE_ORACLE'] ?? '';

async function list(ending: string): Promise<string[]> {
  if (ORACLE === '') return [];
  const entries = await readdir(ORACLE, { recursive: true });
  return entries.filter((entry) => entry.endsWith(ending)).sort();
}
const models = await list('.gguf');
const vocabularies = await list('.gguf.gz');

describe.skipIf(ORACLE === '')('oracle files (NIBBLE_ORACLE)', () => {
  let scratch = '';
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'nibble-gguf-'));
  });
  afterAll(() => rm(scratch, { recursive: true }));

  it('are there', ({ expect }) => {
    expect(models.length).toBeGreaterThan(0);
    expect(vocabularies.length).toBeGreaterThan(0);
  });

  it.each(models)('%s', (name) => compareWithHuggingFace(join(ORACLE, name)));

  it.each(vocabularies)('%s', async (name) => {
    const path = join(scratch, 'vocab.gguf');
    await writeFile(path, gunzipSync(await readFile(join(ORACLE, name))));
    await compareWithHuggingFace(path);
    await compareWithGgufPackage(path, join(scratch, 'padded.gguf'));
  });
});
