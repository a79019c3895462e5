import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireSpace, writeError } from '../../src/models/disk.ts';
import { downloadFile, type DownloadEvents } from '../../src/models/download.ts';
import { openHttp } from '../../src/models/http.ts';
import type { RemoteFile } from '../../src/models/hub.ts';
import { settingsOf } from '../../src/models/settings.ts';
import type { StoreOptions } from '../../src/models/types.ts';
import { FakeHub, fakeGguf, sha256 } from './fake-hub.ts';

const REPOSITORY = 'owner/repo';
const BYTES = fakeGguf(200_000);

let hub: FakeHub;
let folder: string;
let target: string;

beforeEach(async () => {
  hub = new FakeHub();
  await hub.start();
  hub.add(REPOSITORY, 'x.gguf', BYTES);
  folder = await mkdtemp(join(tmpdir(), 'nibble-test-'));
  target = join(folder, 'x.gguf');
});

afterEach(async () => {
  await hub.stop();
  await rm(folder, { recursive: true, force: true });
});

function file(more: Partial<RemoteFile> = {}): RemoteFile {
  const url = `${hub.endpoint}/${REPOSITORY}/resolve/main/x.gguf`;
  return { name: 'x.gguf', url, size: BYTES.length, sha256: sha256(BYTES), ...more };
}

async function download(
  remote: RemoteFile = file(),
  options: StoreOptions = {},
  events: DownloadEvents = {},
): Promise<void> {
  const network = { backoffMs: 1, stallMs: 5_000, ...options.network };
  const endpoint = options.endpoint ?? hub.endpoint;
  const settings = settingsOf({ env: {}, ...options, endpoint, network });
  const http = await openHttp(settings);
  try {
    await downloadFile(remote, target, http, settings, events);
  } finally {
    await http.close();
  }
}

async function expectWhole(): Promise<void> {
  expect((await readFile(target)).equals(BYTES)).toBe(true);
  await expect(stat(`${target}.part`)).rejects.toThrow();
  await expect(stat(`${target}.part.json`)).rejects.toThrow();
}

const code = (value: string): { code: string } => ({ code: value });

describe('downloadFile', () => {
  it('fetches, counts and checks', async () => {
    const seen: number[] = [];
    await download(file(), {}, { onBytes: (bytes) => seen.push(bytes) });
    expect(seen.at(-1)).toBe(BYTES.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    await expectWhole();
  });

  it('goes on after cuts, with Range and If-Range', async () => {
    hub.behaviours = [
      { kind: 'stall', bytes: 50_000 },
      { kind: 'stall', bytes: 70_000 },
    ];
    await download(file(), {}, { onBytes: (bytes) => [50_000, 120_000].includes(bytes) && hub.cut() });
    await expectWhole();
    expect(hub.downloads.map((request) => request.range)).toEqual([
      undefined,
      'bytes=50000-',
      'bytes=120000-',
    ]);
    expect(hub.downloads[1]!.ifRange).toMatch(/^"/);
  });

  it('goes on after a stall', async () => {
    hub.behaviours = [{ kind: 'stall', bytes: 50_000 }];
    await download(file(), { network: { stallMs: 150 } });
    await expectWhole();
    expect(hub.downloads).toHaveLength(2);
  });

  it('waits out 429 and 5xx', async () => {
    hub.behaviours = [
      { kind: 'status', status: 429, headers: { 'retry-after': '0' } },
      { kind: 'status', status: 500 },
      { kind: 'status', status: 503 },
    ];
    await download();
    await expectWhole();
  });

  it('gives up after failures in a row, and a later call resumes', async () => {
    hub.behaviours = [{ kind: 'stall', bytes: 90_000 }, ...Array(4).fill({ kind: 'status', status: 502 })];
    const failed = download(file(), {}, { onBytes: (bytes) => bytes === 90_000 && hub.cut() });
    await expect(failed).rejects.toMatchObject(code('ERR_STORE_NETWORK'));
    expect((await stat(`${target}.part`)).size).toBe(90_000);
    await expect(stat(target)).rejects.toThrow();
    await download();
    await expectWhole();
    expect(hub.downloads.at(-1)!.range).toBe('bytes=90000-');
  });

  it('restarts where the server ignores ranges', async () => {
    hub.behaviours = [{ kind: 'cut', bytes: 50_000 }, { kind: 'ignoreRange' }];
    await download();
    await expectWhole();
  });

  it('restarts when the file has changed meanwhile', async () => {
    hub.behaviours = [{ kind: 'cut', bytes: 50_000 }];
    const unknown = file({ size: undefined, sha256: undefined });
    await expect(download(unknown, { network: { attempts: 1 } })).rejects.toMatchObject(
      code('ERR_STORE_NETWORK'),
    );
    const changed = fakeGguf(150_000, 7);
    hub.add(REPOSITORY, 'x.gguf', changed);
    await download(unknown);
    expect((await readFile(target)).equals(changed)).toBe(true);
  });

  it('notices announced lengths that are not true', async () => {
    // Too short, then too long, then honest.
    hub.behaviours = [
      { kind: 'length', length: 100_000 },
      { kind: 'length', length: 300_000 },
    ];
    await download();
    await expectWhole();
    hub.behaviours = Array(5).fill({ kind: 'length', length: 100_000 });
    await rm(target);
    await expect(download()).rejects.toThrow(/announces 100000 bytes/);
  });

  it('stops at bytes beyond the end', async () => {
    hub.behaviours = [{ kind: 'longer', extra: 10 }];
    await expect(download()).rejects.toMatchObject(code('ERR_STORE_SIZE'));
    await download();
    await expectWhole();
  });

  it('fetches damaged bytes once more, then refuses them', async () => {
    hub.behaviours = [{ kind: 'damage' }];
    await download();
    await expectWhole();
    hub.behaviours = [{ kind: 'damage' }, { kind: 'damage' }];
    await rm(target);
    await expect(download()).rejects.toMatchObject(code('ERR_STORE_CHECKSUM'));
    await expect(stat(target)).rejects.toThrow();
  });

  it('refuses what is no GGUF', async () => {
    hub.add(REPOSITORY, 'x.gguf', Buffer.from('<html>please log in</html>'));
    const unknown = file({ size: undefined, sha256: undefined });
    await expect(download(unknown)).rejects.toMatchObject(code('ERR_STORE_CORRUPT'));
  });

  it('explains 401, 403 and 404 without trying again', async () => {
    for (const [status, expected, text] of [
      [401, 'ERR_STORE_GATED', /HF_TOKEN/],
      [403, 'ERR_STORE_GATED', /licence/],
      [404, 'ERR_STORE_NOT_FOUND', /no such file/],
    ] as const) {
      hub.requests.length = 0;
      hub.behaviours = [{ kind: 'status', status }];
      const failed = expect(download()).rejects;
      await failed.toMatchObject(code(expected));
      hub.behaviours = [{ kind: 'status', status }];
      await expect(download()).rejects.toThrow(text);
      expect(hub.requests).toHaveLength(2);
    }
  });

  it('keeps the bytes when stopped', async () => {
    hub.behaviours = [{ kind: 'stall', bytes: 60_000 }];
    const controller = new AbortController();
    const onBytes = (bytes: number): void => {
      if (bytes >= 60_000) controller.abort();
    };
    const stopped = download(file(), { signal: controller.signal }, { onBytes });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    expect((await stat(`${target}.part`)).size).toBe(60_000);
    await download();
    expect(hub.downloads.at(-1)!.range).toBe('bytes=60000-');
    await expectWhole();
  });

  it('does not trust a part file of something else', async () => {
    await writeFile(`${target}.part`, fakeGguf(1000, 9));
    await download();
    await expectWhole();
    await rm(target);
    await writeFile(`${target}.part`, fakeGguf(1000, 9));
    // The right name of the content, the wrong bytes: the sum finds out, and the second try starts over.
    await writeFile(`${target}.part.json`, JSON.stringify({ url: file().url, sha256: sha256(BYTES) }));
    await download();
    await expectWhole();
  });

  it('sends the token to the endpoint only', async () => {
    await download(file(), { token: 'hf_secret' });
    expect(hub.downloads[0]!.authorization).toBe('Bearer hf_secret');
    await rm(target);
    await download(file(), { token: 'hf_secret', endpoint: 'http://hub.invalid' });
    expect(hub.downloads[1]!.authorization).toBeUndefined();
  });

  it('reports a server that is not there as unreachable', async () => {
    const { url } = file();
    const { endpoint } = hub;
    await hub.stop();
    const failed = download({ name: 'x.gguf', url }, { endpoint });
    await expect(failed).rejects.toMatchObject(code('ERR_STORE_UNREACHABLE'));
    await hub.start();
  });
});

describe('proxies', () => {
  it('come from the environment, with exceptions', async () => {
    const asked: string[] = [];
    const proxy = createServer((_, response) => response.writeHead(502).end());
    proxy.on('request', (request) => asked.push(request.url!));
    proxy.on('connect', (request, socket) => {
      asked.push(request.url!);
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      for (const name of ['HTTP_PROXY', 'http_proxy']) {
        const through = download(file(), { env: { [name]: address }, network: { attempts: 1 } });
        await expect(through).rejects.toThrow(/502/);
        expect(asked.splice(0).length).toBeGreaterThan(0);
        await download(file(), { env: { [name]: address, NO_PROXY: '127.0.0.1' } });
        expect(asked).toEqual([]);
        await rm(target);
      }
    } finally {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    }
  });
});

describe('disk', () => {
  it('is asked for room first', async () => {
    await expect(requireSpace(folder, 2 ** 60)).rejects.toMatchObject(code('ERR_STORE_SPACE'));
    await requireSpace(folder, 1);
  });

  it('explains write errors', () => {
    expect(writeError({ code: 'ENOSPC' }, 'x')).toMatchObject(code('ERR_STORE_SPACE'));
    expect(writeError({ code: 'EROFS' }, 'x')).toMatchObject({
      ...code('ERR_STORE_READ_ONLY'),
      message: expect.stringContaining('NIBBLE_HOME') as string,
    });
  });
});
