import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { blobSource, httpSource, memorySource, openGguf, readGguf, u32 } from '../../src/gguf/index.ts';
import { build, f32Tensor, pairs } from './helpers.ts';

const DATA = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);

describe.each([
  ['memorySource', () => memorySource(DATA.buffer, 'bytes')],
  ['memorySource of a Buffer', () => memorySource(Buffer.from(DATA), 'bytes')],
  ['blobSource', () => blobSource(new Blob([DATA]), 'bytes')],
])('%s', (_, make) => {
  it('reads what is there and nothing else', async () => {
    const source = make();
    expect(source.size).toBe(1000);
    expect(await source.read(10, 3)).toEqual(DATA.subarray(10, 13));
    expect(await source.read(1000, 0)).toEqual(new Uint8Array(0));
    await expect(source.read(999, 2)).rejects.toThrow(
      'bytes: cannot read 2 bytes at 999: the file has 1000 bytes',
    );
    await expect(source.read(-1, 1)).rejects.toThrow('cannot read');
    await expect(source.read(0.5, 1)).rejects.toThrow('cannot read');
    await source.close();
  });
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

describe('httpSource', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  async function serve(handler: Handler): Promise<string> {
    server = createServer(handler);
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`;
  }

  /** A server as it should be; `change` may spoil an answer before it is sent. */
  function ranges(data: Uint8Array, change?: (answer: Answer, request: number) => void): Handler {
    let count = 0;
    return (request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!;
      const range = `bytes ${from}-${to}/${data.length}`;
      const body = data.subarray(Number(from), Number(to) + 1);
      const answer: Answer = { status: 206, headers: { 'content-range': range, etag: '"1"' }, body };
      change?.(answer, count++);
      response.writeHead(answer.status, answer.headers).end(answer.body);
    };
  }
  interface Answer {
    status: number;
    headers: Record<string, string>;
    body: Uint8Array;
  }

  it('reads ranges', async () => {
    const source = await httpSource(await serve(ranges(DATA)));
    expect(source.size).toBe(1000);
    expect(await source.read(100, 50)).toEqual(DATA.subarray(100, 150));
    expect(await source.read(5, 0)).toEqual(new Uint8Array(0));
    await expect(source.read(990, 11)).rejects.toThrow('cannot read 11 bytes at 990');
  });

  it('reads a GGUF file in few requests', async () => {
    const bytes = await build({ metadata: pairs({ a: u32(3) }), tensors: [f32Tensor('t', [1])] });
    let requests = 0;
    const file = await openGguf(await serve(ranges(bytes, () => requests++)), (url) => httpSource(url));
    expect(file.metadata.get('a')).toBe(3);
    expect(requests).toBe(2);
  });

  it('keeps secrets out of its name', async () => {
    const url = await serve(ranges(DATA));
    const source = await httpSource(`${url}?token=secret`, { headers: { authorization: 'Bearer secret' } });
    expect(source.name).toBe(url);
  });

  const spoiled: [string, (answer: Answer, request: number) => void, string | RegExp][] = [
    ['ignores Range', (a) => (a.status = 200), 'the server ignores Range requests'],
    ['has no such file', (a) => (a.status = 404), 'the server answered 404 Not Found'],
    ['has an empty file', (a) => (a.status = 416), 'the file is empty'],
    ['says no range', (a) => delete a.headers['content-range'], 'got "no content-range header"'],
    ['says another range', (a) => (a.headers['content-range'] = 'bytes 5-5/1000'), 'got "bytes 5-5/1000"'],
    ['says no size', (a) => (a.headers['content-range'] = 'bytes 0-0/*'), 'got "bytes 0-0/*"'],
    [
      'says an absurd size',
      (a) => (a.headers['content-range'] = 'bytes 0-0/99999999999999999999'),
      'got "bytes',
    ],
    ['sends too much', (a) => (a.body = new Uint8Array(2_000_000)), 'sent more than the 1 bytes asked for'],
    ['sends too little', (a) => (a.body = new Uint8Array(0)), 'ended after 0 of 1 bytes'],
  ];
  it.each(spoiled)('refuses a server that %s', async (_, change, message) => {
    await expect(httpSource(await serve(ranges(DATA, change)))).rejects.toThrow(message);
  });

  it('notices that the file changed', async () => {
    const changed = ranges(DATA, (answer, request) => request > 0 && (answer.headers['etag'] = '"2"'));
    const source = await httpSource(await serve(changed));
    await expect(source.read(0, 10)).rejects.toThrow('changed while it was being read');
  });

  it('says why no connection came about', async () => {
    const url = await serve(ranges(DATA));
    await new Promise((resolve) => server!.close(resolve));
    await expect(httpSource(url)).rejects.toThrow(/m\.gguf: the request failed: .*ECONNREFUSED/);
    await expect(httpSource('no url')).rejects.toThrow('not a URL: no url');
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    const url = await serve((request, response) => {
      // Answers the first request and leaves the second one hanging.
      if (request.headers.range === 'bytes=0-0') ranges(DATA)(request, response);
      else controller.abort();
    });
    const source = await httpSource(url, { signal: controller.signal });
    await expect(source.read(0, 10)).rejects.toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED' });
    await expect(readGguf(memorySource(DATA), { signal: controller.signal })).rejects.toThrow(
      'stopped by the caller',
    );
  });
});
