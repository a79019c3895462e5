/** Reads parts of a file over HTTP with Range requests. Retries and caching belong to the caller's `fetch`. */
import { AbortedError, GgufError } from '../errors.ts';
import { checkRange } from './check-range.ts';
import type { ByteSource } from './types.ts';

export interface HttpSourceOptions {
  /** Stops every request, now and later; the call under way throws an AbortedError. */
  signal?: AbortSignal;
  /** Sent with every request, for example `authorization`. */
  headers?: Record<string, string>;
  /** Default: the host's fetch. */
  fetch?: typeof globalThis.fetch;
}

/** What one request came back with, checked. */
interface Part {
  bytes: Uint8Array;
  /** Size of the whole resource. */
  total: number;
  etag: string | null;
}

/**
 * Opens a URL: one request for one byte tells the size.
 *
 * @throws GgufError when the server does not answer, refuses, or does not support Range requests
 */
export async function httpSource(url: string | URL, options: HttpSourceOptions = {}): Promise<ByteSource> {
  const name = displayName(url);
  const first = await request(url, name, 0, 1, options);
  const source = { name, size: first.total };
  return {
    ...source,
    async read(offset, length) {
      checkRange(source, offset, length);
      if (length === 0) return new Uint8Array(0);
      const part = await request(url, name, offset, length, options);
      if (part.total !== first.total || part.etag !== first.etag) {
        throw new GgufError(`${name}: the file on the server changed while it was being read`);
      }
      return part.bytes;
    },
    close: () => Promise.resolve(),
  };
}

/** The URL without what may be secret: user, password, query (signed links). */
function displayName(url: string | URL): string {
  if (!URL.canParse(url.toString())) throw new GgufError(`not a URL: ${url.toString()}`);
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

async function request(
  url: string | URL,
  name: string,
  offset: number,
  length: number,
  options: HttpSourceOptions,
): Promise<Part> {
  const { signal, headers, fetch = globalThis.fetch } = options;
  const last = offset + length - 1;
  try {
    const response = await fetch(url, {
      // identity: a compressed answer would have other offsets than the file.
      headers: { ...headers, range: `bytes=${offset}-${last}`, 'accept-encoding': 'identity' },
      ...(signal && { signal }),
    });
    try {
      const total = checkResponse(response, name, offset, last);
      return { bytes: await readBody(response, name, length), total, etag: response.headers.get('etag') };
    } catch (error) {
      // Unread bodies keep connections open, and a server without ranges would send the whole file.
      await response.body?.cancel().catch(() => undefined);
      throw error;
    }
  } catch (error) {
    if (signal?.aborted) throw new AbortedError();
    if (error instanceof GgufError) throw error;
    throw new GgufError(`${name}: the request failed: ${reason(error)}`, { cause: error });
  }
}

/** The size of the whole resource. Throws a GgufError when the answer is not the range that was asked for. */
function checkResponse(response: Response, name: string, offset: number, last: number): number {
  if (response.status === 200) {
    throw new GgufError(`${name}: the server ignores Range requests: download the file first`);
  }
  if (response.status === 416)
    throw new GgufError(`${name}: the file is empty or shorter than byte ${last + 1}`);
  if (response.status !== 206) {
    throw new GgufError(`${name}: the server answered ${response.status} ${response.statusText}`.trimEnd());
  }
  const range = response.headers.get('content-range') ?? 'no content-range header';
  const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range) ?? [];
  const size = Number(total);
  if (Number(from) !== offset || Number(to) !== last || !Number.isSafeInteger(size) || size <= last) {
    throw new GgufError(
      `${name}: asked the server for bytes ${offset}-${last} and got "${range.slice(0, 80)}"`,
    );
  }
  return size;
}

/** Exactly `length` bytes: a server that sends more is cut off, not stored. */
async function readBody(response: Response, name: string, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  if (response.body !== null) {
    const reader = response.body.getReader();
    try {
      for (;;) {
        const { value } = await reader.read();
        if (value === undefined) break;
        if (done + value.length > length) {
          await reader.cancel();
          throw new GgufError(`${name}: the server sent more than the ${length} bytes asked for`);
        }
        bytes.set(value, done);
        done += value.length;
      }
    } finally {
      reader.releaseLock();
    }
  }
  if (done !== length) {
    throw new GgufError(`${name}: the connection ended after ${done} of ${length} bytes`);
  }
  return bytes;
}

/** fetch says "fetch failed" and hides why in the cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
