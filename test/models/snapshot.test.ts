import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CHECKPOINT_PATHS,
  parseSnapshotSpec,
  pullSnapshot,
  type SnapshotOptions,
} from '../../src/models/snapshot.ts';
import { FakeHub, fakeGguf } from './fake-hub.ts';

const REPOSITORY = 'owner/checkpoint';
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
/** Weights as the hub keeps them; and what git itself keeps. */
const WEIGHTS = fakeGguf(150_000, 3).fill(0, 0, 4);
const CONFIG = Buffer.from('{"architectures": ["LlamaForCausalLM"]}');
const README = Buffer.from('---\nlicense: mit\n---\n');

let hub: FakeHub;
let folder: string;

beforeEach(async () => {
  hub = new FakeHub();
  await hub.start();
  hub.commits.set('main', COMMIT).set('refs/pr/1', COMMIT.replaceAll('0', '9'));
  hub.add(REPOSITORY, 'model-00001-of-00002.safetensors', WEIGHTS);
  hub.add(REPOSITORY, 'model-00002-of-00002.safetensors', WEIGHTS.subarray(0, 70_000));
  hub.add(REPOSITORY, 'config.json', CONFIG, { lfs: false });
  hub.add(REPOSITORY, 'README.md', README, { lfs: false });
  hub.add(REPOSITORY, 'onnx/model.onnx', fakeGguf(1000, 5));
  folder = await mkdtemp(join(tmpdir(), 'nibble-snapshot-'));
});

afterEach(async () => {
  await hub.stop();
  await rm(folder, { recursive: true, force: true });
});

const pull = (text = `hf:${REPOSITORY}`, options: SnapshotOptions = {}) =>
  pullSnapshot(text, {
    env: {},
    endpoint: hub.endpoint,
    localDir: folder,
    ...options,
    network: { backoffMs: 1, stallMs: 5_000, ...options.network },
  });

const inFolder = async (): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort();

describe('pullSnapshot', () => {
  it('fetches every file of one commit, under its own path', async () => {
    const seen: number[] = [];
    const snapshot = await pull(undefined, { onProgress: ({ bytes }) => seen.push(bytes) });
    const paths = [
      'README.md',
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ];
    expect(await inFolder()).toEqual([...paths, 'onnx/model.onnx'].sort());
    expect((await readFile(join(folder, paths[2]!))).equals(WEIGHTS)).toBe(true);
    expect(snapshot).toMatchObject({ folder, repository: REPOSITORY, revision: COMMIT });
    expect(snapshot.files.every((file) => file.fetched)).toBe(true);
    expect(seen.at(-1)).toBe(snapshot.bytes);
    expect(hub.downloads.every(({ path }) => path.includes(`/resolve/${COMMIT}/`))).toBe(true);
  });

  it('fetches a second time only what is missing or was changed', async () => {
    await pull();
    hub.requests.length = 0;
    expect((await pull()).files.some((file) => file.fetched)).toBe(false);
    expect(hub.downloads).toEqual([]);
    const shard = join(folder, 'model-00002-of-00002.safetensors');
    const bytes = await readFile(shard);
    bytes[5]! ^= 1;
    await writeFile(shard, bytes);
    await writeFile(join(folder, 'config.json'), CONFIG.toString().replace('Llama', 'Other'));
    await rm(join(folder, 'README.md'));
    const again = await pull();
    expect(
      again.files
        .filter((file) => file.fetched)
        .map((file) => file.path)
        .sort(),
    ).toEqual(['README.md', 'config.json', 'model-00002-of-00002.safetensors']);
    expect((await readFile(shard)).equals(WEIGHTS.subarray(0, 70_000))).toBe(true);
    expect((await readFile(join(folder, 'config.json'))).equals(CONFIG)).toBe(true);
  });

  it('goes on where an interrupted run stopped', async () => {
    hub.behaviours = [{ kind: 'stall', bytes: 60_000 }];
    const controller = new AbortController();
    const stopped = pull(undefined, {
      signal: controller.signal,
      paths: /00001/,
      onProgress: ({ bytes }) => bytes >= 60_000 && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    const begun = (await stat(join(folder, 'model-00001-of-00002.safetensors.part'))).size;
    expect(begun).toBe(60_000);
    await pull(undefined, { paths: /00001/ });
    expect(hub.downloads.at(-1)!.range).toBe('bytes=60000-');
    expect(await inFolder()).toEqual(['model-00001-of-00002.safetensors']);
  });

  it('takes a branch, a tag or a commit; a server without the revision API too', async () => {
    await pull(`hf:${REPOSITORY}@refs/pr/1`, { paths: /config/ });
    expect(hub.downloads.at(-1)!.path).toContain(`/resolve/${hub.commits.get('refs/pr/1')}/`);
    hub.commits.clear();
    await rm(join(folder, 'config.json'));
    expect((await pull(undefined, { paths: /config/ })).revision).toBe('main');
    await expect(pull(`hf:${REPOSITORY}@v9`)).rejects.toMatchObject({ code: 'ERR_STORE_NOT_FOUND' });
  });

  it('fetches for a conversion what a conversion reads', async () => {
    const { files } = await pull(undefined, { paths: CHECKPOINT_PATHS });
    expect(files.map((file) => file.path).sort()).toEqual([
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ]);
  });

  it('refuses damaged bytes: by sha256, and by the sum of git where that is all there is', async () => {
    hub.behaviours = [{ kind: 'damage' }, { kind: 'damage' }];
    await expect(pull(undefined, { paths: /00001/ })).rejects.toMatchObject({ code: 'ERR_STORE_CHECKSUM' });
    hub.behaviours = [{ kind: 'damage' }];
    await expect(pull(undefined, { paths: /config/ })).rejects.toMatchObject({ code: 'ERR_STORE_CHECKSUM' });
    expect(await inFolder()).toEqual([]);
  });

  it.each(['../outside.json', 'a/../../b', '/etc/x', 'a\\b', 'x:y', 'a//b', 'x.part'])(
    'refuses a file called %s',
    async (path) => {
      hub.add('owner/hostile', path, CONFIG, { lfs: false });
      await expect(pull('hf:owner/hostile')).rejects.toMatchObject({ code: 'ERR_STORE_HUB' });
      expect(hub.downloads).toEqual([]);
    },
  );

  it('into the store where no folder is named; offline, what was fetched before', async () => {
    const snapshot = await pull(undefined, { localDir: undefined, home: folder, paths: /config/ });
    expect(snapshot.folder).toBe(join(folder, 'checkpoints', 'owner', 'checkpoint', 'main'));
    const offline = { localDir: undefined, home: folder, offline: true };
    const again = await pull(undefined, offline);
    expect(again.folder).toBe(snapshot.folder);
    expect(again.files).toEqual(snapshot.files.map((file) => ({ ...file, fetched: false })));
    await writeFile(join(snapshot.folder, 'model.safetensors.part'), 'begun');
    await expect(pull(undefined, offline)).rejects.toThrow(/is not whole in/);
    const nowhere = { ...offline, localDir: join(folder, 'nowhere') };
    await expect(pull(undefined, nowhere)).rejects.toMatchObject({ code: 'ERR_STORE_OFFLINE' });
  });
});

it('parseSnapshotSpec', () => {
  expect(parseSnapshotSpec('hf:a/b')).toEqual({ repository: 'a/b', revision: 'main' });
  expect(parseSnapshotSpec('hf:a/b@refs/pr/2')).toEqual({ repository: 'a/b', revision: 'refs/pr/2' });
  for (const bad of ['a/b', 'hf:a', 'hf:a/b@', 'hf:a/..', 'hf:a/b@x/../y', 'hf:a/b:Q4_0', 'hf:a/b@/x']) {
    expect(() => parseSnapshotSpec(bad)).toThrow(/expected hf:OWNER\/REPO/);
  }
});
