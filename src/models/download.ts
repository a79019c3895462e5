/**
 * One file over HTTP, resumed by range requests as often as it takes.
 *
 * An attempt asks for what is missing (`Range`, with `If-Range` so that a changed file restarts) and appends what
 * comes. Cuts, stalls, 429 and 5xx lead to the next attempt after a pause; five failures in a row without a
 * megabyte of progress end it. Nothing is believed that the bytes can tell: announced lengths are compared with
 * the size in the hub's list, and the result with its sha256.
 */
import type { Response } from 'undici';
import { AbortedError, StoreError } from '../errors.ts';
import { backoff, hostOf, passing, pause, PassingError, UnreachableError, type HttpClient } from './http.ts';
import type { RemoteFile } from './hub.ts';
import { PartFile } from './part.ts';
import type { Settings } from './settings.ts';

/** Progress that counts as such: less between two failures does not reset their count. */
const PROGRESS_BYTES = 1 << 20;

export interface DownloadEvents {
  /** Bytes of this file that are there after looking at the part file, and after a restart from 0. */
  onStart?: (bytes: number) => void;
  onBytes?: (bytes: number) => void;
  /** The size, when the server said it first. */
  onSize?: (bytes: number) => void;
}

export interface StoredFile {
  size: number;
  sha256: string;
  etag?: string;
}

/**
 * Fetches `file` to `target`; its bytes are checked before they get that name. Throws UnreachableError,
 * StoreError (ERR_STORE_NETWORK, _SIZE, _CHECKSUM, _CORRUPT, _SPACE, _GATED, _NOT_FOUND, ...) or AbortedError;
 * whatever is usable stays in `target`.part for the next call.
 */
export async function downloadFile(
  file: RemoteFile,
  target: string,
  http: HttpClient,
  settings: Settings,
  events: DownloadEvents = {},
): Promise<StoredFile> {
  for (let damaged = 0; ;) {
    try {
      return await fetchOnce(file, target, http, settings, events);
    } catch (error) {
      // Old bytes of a part file may be at fault: once more, from nothing.
      const again = error instanceof StoreError && error.code === 'ERR_STORE_CHECKSUM' && damaged++ === 0;
      if (!again) throw error;
      settings.onNotice(`${error.message}; fetching it again`);
    }
  }
}

async function fetchOnce(
  file: RemoteFile,
  target: string,
  http: HttpClient,
  settings: Settings,
  events: DownloadEvents,
): Promise<StoredFile> {
  const identity = { url: file.url, size: file.size, sha256: file.sha256, anyKind: file.anyKind };
  const part = await PartFile.open(target, identity, { signal: settings.signal });
  try {
    events.onStart?.(part.bytes);
    let failures = 0;
    const first = part.bytes; // A hub that was never reached in this run is not waited for.
    for (let before = part.bytes; part.bytes !== file.size;) {
      try {
        if (await attempt(file, part, http, settings, events)) break;
        failures++; // Started over without an error, such as a 416: must not go on for ever.
      } catch (error) {
        if (settings.signal?.aborted) throw new AbortedError();
        const passes =
          error instanceof PassingError || (error instanceof UnreachableError && part.bytes > first);
        if (!passes) throw error;
        failures = part.bytes - before >= PROGRESS_BYTES ? 1 : failures + 1;
        if (failures >= settings.limits.attempts) throw lastFailure(error, part, settings);
        await pause(backoff(failures, settings, error), settings.signal);
      }
      before = part.bytes;
      if (failures >= settings.limits.attempts) {
        throw new StoreError('ERR_STORE_NETWORK', `${hostOf(file.url)} does not send ${file.name}`);
      }
    }
    return await part.commit();
  } finally {
    await part.close();
  }
}

/** One request. True: the file is complete as far as the server can tell; false: start another attempt. */
async function attempt(
  file: RemoteFile,
  part: PartFile,
  http: HttpClient,
  settings: Settings,
  events: DownloadEvents,
): Promise<boolean> {
  const stall = new StallTimer(settings);
  try {
    const headers: Record<string, string> = {};
    if (part.bytes > 0) {
      headers['range'] = `bytes=${part.bytes}-`;
      // Weak tags are not allowed there; without a tag the sha256 decides at the end.
      if (part.etag !== undefined && !part.etag.startsWith('W/')) headers['if-range'] = part.etag;
    }
    const response = await http.get(file.url, headers, stall.signal);
    const total = await begin(response, part, file, events);
    if (total === 'again') return false;
    if (total !== undefined) events.onSize?.(total);
    const limit = file.size ?? total ?? Infinity;
    for await (const chunk of response.body ?? []) {
      stall.reset();
      const bytes = chunk as Uint8Array;
      if (part.bytes + bytes.length > limit) {
        await part.truncate();
        throw new StoreError(
          'ERR_STORE_SIZE',
          `${hostOf(file.url)} sends more than the ${limit} bytes of ${file.name}`,
        );
      }
      await part.append(bytes);
      events.onBytes?.(part.bytes);
    }
    const wanted = file.size ?? total;
    if (wanted !== undefined && part.bytes < wanted) {
      throw new PassingError(
        `${hostOf(file.url)} stopped after ${part.bytes} of ${wanted} bytes of ${file.name}`,
      );
    }
    return true;
  } catch (error) {
    if (stall.fired && !settings.signal?.aborted) {
      throw new PassingError(`no data from ${hostOf(file.url)} for ${settings.limits.stallMs / 1000} s`);
    }
    if (error instanceof StoreError) throw error;
    if (settings.signal?.aborted) throw new AbortedError();
    // File errors have an errno; what is left comes from the connection.
    if (typeof (error as NodeJS.ErrnoException).syscall === 'string' && !isSocketError(error)) throw error;
    throw passing(file.url, error);
  } finally {
    stall.stop();
  }
}

/** Makes the part file fit the answer; returns the file's whole size as the answer has it. */
async function begin(
  response: Response,
  part: PartFile,
  file: RemoteFile,
  events: DownloadEvents,
): Promise<number | undefined | 'again'> {
  const restart = async (): Promise<void> => {
    await part.truncate();
    events.onStart?.(0);
  };
  const length = numberOf(response.headers.get('content-length'));
  let total = length;
  if (response.status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    if (Number(range?.[1] ?? -1) !== part.bytes) {
      await response.body?.cancel().catch(() => undefined);
      await restart();
      return 'again';
    }
    total = range![2] === '*' ? (length === undefined ? undefined : part.bytes + length) : Number(range![2]);
  } else if (response.status === 416) {
    // The part file is longer than the file, or it is complete and the size was not known.
    await response.body?.cancel().catch(() => undefined);
    const size = numberOf(/^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? null);
    if (size === part.bytes && part.bytes > 0 && file.size === undefined) return size;
    await restart();
    return 'again';
  } else if (part.bytes > 0) {
    await restart(); // The server ignores ranges, or the file has changed.
  }
  if (file.size !== undefined && total !== undefined && total !== file.size) {
    await response.body?.cancel().catch(() => undefined);
    throw new PassingError(
      `${hostOf(file.url)} announces ${total} bytes for ${file.name}, the list says ${file.size}`,
    );
  }
  await part.setEtag(response.headers.get('etag') ?? undefined);
  return total;
}

function lastFailure(error: Error, part: PartFile, settings: Settings): StoreError {
  return new StoreError(
    'ERR_STORE_NETWORK',
    `${error.message}; gave up after ${settings.limits.attempts} attempts, ${part.bytes} bytes are kept and the next try goes on from there`,
    { cause: error },
  );
}

function numberOf(text: string | null): number | undefined {
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

function isSocketError(error: unknown): boolean {
  return ['read', 'write', 'connect', 'getaddrinfo'].includes(
    String((error as NodeJS.ErrnoException).syscall),
  );
}

/** Aborts when no byte came for `stallMs`, or when the caller's signal fires. */
class StallTimer {
  readonly signal: AbortSignal;
  fired = false;
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;

  constructor(settings: Settings) {
    const { signal } = this.controller;
    this.signal = settings.signal ? AbortSignal.any([settings.signal, signal]) : signal;
    this.timer = setTimeout(() => {
      this.fired = true;
      this.controller.abort();
    }, settings.limits.stallMs);
  }

  reset(): void {
    this.timer.refresh();
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
