/** A server on 127.0.0.1 that pretends to be the hub, and misbehaves on request. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the next request for a file gets. Byte counts are of the body of that answer. */
export type Behaviour =
  | { kind: 'ok' }
  /** Announces all, sends `bytes`, destroys the socket at once: the client may see less than was sent. */
  | { kind: 'cut'; bytes: number }
  /** Sends `bytes`, then nothing, until `cut` is called. */
  | { kind: 'stall'; bytes: number }
  /** Announces the whole length as this. */
  | { kind: 'length'; length: number }
  /** Chunked, with bytes after the end. */
  | { kind: 'longer'; extra: number }
  | { kind: 'ignoreRange' }
  | { kind: 'status'; status: number; headers?: Record<string, string> }
  /** All bytes, one of them wrong. */
  | { kind: 'damage' };

export interface Request {
  path: string;
  range: string | undefined;
  ifRange: string | undefined;
  authorization: string | undefined;
}

export class FakeHub {
  readonly requests: Request[] = [];
  /** Consumed one by one by requests for files. */
  behaviours: Behaviour[] = [];
  /** For requests of the tree API, likewise; status 0 is no answer at all. */
  apiBehaviours: { status: number; headers?: Record<string, string>; body?: string }[] = [];
  /** Items per page of the tree API. */
  pageSize = 100;
  /** Commits by branch, for the revision API; without an entry it answers 404, as a mirror may. */
  readonly commits = new Map<string, string>();
  private readonly files = new Map<string, Buffer>();
  /** Paths of files that git itself keeps. */
  private readonly small = new Set<string>();
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => this.answer(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Breaks all connections. A test calls it when the client has what it was sent: see `stall`. */
  cut(): void {
    this.server.closeAllConnections();
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  add(repository: string, path: string, bytes: Buffer, { lfs = true } = {}): void {
    this.files.set(`${repository}/${path}`, bytes);
    if (!lfs) this.small.add(`${repository}/${path}`);
  }

  /** Requests for bytes, not for listings. */
  get downloads(): Request[] {
    return this.requests.filter((request) => request.path.includes('/resolve/'));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url!, this.endpoint);
    this.requests.push({
      path: url.pathname,
      range: request.headers.range,
      ifRange: request.headers['if-range'] as string | undefined,
      authorization: request.headers.authorization,
    });
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(tree|revision)\/([^/]+)$/.exec(url.pathname);
    const revision = decodeURIComponent(api?.[3] ?? '');
    if (api?.[2] === 'revision') {
      const sha = this.commits.get(revision);
      if (sha === undefined) return void response.writeHead(404).end();
      return void response.end(JSON.stringify({ sha }));
    }
    const known = revision === 'main' || [...this.commits.values()].includes(revision);
    if (api && !known) return void response.writeHead(404).end('{"error":"Invalid rev id"}');
    if (api) return this.tree(api[1]!, Number(url.searchParams.get('page') ?? 0), response);
    const file = this.files.get(decodeURIComponent(url.pathname.slice(1)).replace(/\/resolve\/[^/]+\//, '/'));
    const behaviour = this.behaviours.shift() ?? { kind: 'ok' };
    if (behaviour.kind === 'status') {
      response.writeHead(behaviour.status, behaviour.headers).end();
    } else if (!file) {
      response.writeHead(404).end();
    } else {
      sendFile(file, request, response, behaviour);
    }
  }

  private tree(repository: string, page: number, response: ServerResponse): void {
    const special = this.apiBehaviours.shift();
    if (special?.status === 0) return;
    if (special) {
      response.writeHead(special.status, special.headers).end(special.body ?? '');
      return;
    }
    const items = [...this.files]
      .filter(([name]) => name.startsWith(`${repository}/`))
      .map(([name, bytes]) => ({
        type: 'file',
        path: name.slice(repository.length + 1),
        size: bytes.length,
        oid: gitSha1(bytes),
        ...(this.small.has(name) ? {} : { lfs: { oid: sha256(bytes), size: bytes.length } }),
      }));
    if (items.length === 0) {
      response.writeHead(404).end('{"error":"Repository not found"}');
      return;
    }
    const rest = items.slice((page + 1) * this.pageSize).length > 0;
    const link = `<${this.endpoint}/api/models/${repository}/tree/main?recursive=true&page=${page + 1}>; rel="next"`;
    response.writeHead(200, { 'content-type': 'application/json', ...(rest ? { link } : {}) });
    response.end(JSON.stringify(items.slice(page * this.pageSize, (page + 1) * this.pageSize)));
  }
}

function sendFile(
  file: Buffer,
  request: IncomingMessage,
  response: ServerResponse,
  behaviour: Behaviour,
): void {
  const etag = `"${sha256(file).slice(0, 16)}"`;
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const matches = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
  let start = 0;
  if (range && matches && behaviour.kind !== 'ignoreRange') {
    start = Number(range[1]);
    if (start >= file.length) {
      response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
      return;
    }
    response.statusCode = 206;
    response.setHeader('content-range', `bytes ${start}-${file.length - 1}/${file.length}`);
  }
  response.setHeader('etag', etag);
  let body = file.subarray(start);
  switch (behaviour.kind) {
    case 'longer':
      response.write(body);
      response.end(Buffer.alloc(behaviour.extra));
      return;
    case 'length':
      response.setHeader('content-length', behaviour.length);
      response.write(body.subarray(0, Math.min(body.length, behaviour.length)));
      response.end();
      if (behaviour.length > body.length) response.destroy();
      return;
    case 'cut':
    case 'stall':
      response.setHeader('content-length', body.length);
      response.write(body.subarray(0, behaviour.bytes), () => {
        if (behaviour.kind === 'cut') response.destroy();
      });
      return;
    case 'damage':
      body = Buffer.from(body);
      body[body.length - 1]! ^= 255;
      break;
  }
  response.setHeader('content-length', body.length);
  response.end(body);
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function gitSha1(bytes: Buffer): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** Bytes that start as a GGUF file does; the rest differs with `seed`. */
export function fakeGguf(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0, x = seed; i < size; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
  bytes.write('GGUF', 'latin1');
  return bytes;
}
