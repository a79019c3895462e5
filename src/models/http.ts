/**
 * HTTP for the store: proxies from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY, in either case), a limit
 * on the time to connect, and one way to tell failures apart. Node 20's own fetch knows no proxies: hence undici.
 */
import type { EnvHttpProxyAgent, Response } from 'undici';
import { AbortedError, StoreError, UsageError } from '../errors.ts';
import type { Settings } from './settings.ts';

/** No server was reached: another try at once makes no sense, another source does. */
export class UnreachableError extends StoreError {
  constructor(url: string, cause: unknown) {
    super('ERR_STORE_UNREACHABLE', `cannot reach ${hostOf(url)} (${reasonOf(cause)})`, { cause });
  }
}

/** The transfer failed in a way that may pass: cut, stalled, overloaded. `waitMs` is what the server asked for. */
export class PassingError extends StoreError {
  readonly waitMs: number;

  constructor(message: string, options: { waitMs?: number; cause?: unknown } = {}) {
    super('ERR_STORE_NETWORK', message, { cause: options.cause });
    this.waitMs = options.waitMs ?? 0;
  }
}

export interface HttpClient {
  /**
   * GET. Resolves with a status of 200, 206 or 416, and throws UnreachableError, PassingError (429, 5xx, cut),
   * StoreError (401, 403, 404, ...) or AbortedError. `signal` ends the body as well.
   */
  get(url: string, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  close(): Promise<void>;
}

/** Undici is loaded here, at the first request: a start from the cache does not pay for it. */
export async function openHttp(settings: Settings): Promise<HttpClient> {
  const { fetch, EnvHttpProxyAgent } = await import('undici');
  const { env, limits } = settings;
  const connect = { timeout: limits.connectMs };
  let agent: EnvHttpProxyAgent;
  try {
    agent = new EnvHttpProxyAgent({
      // Empty strings keep undici from looking into process.env itself.
      httpProxy: env['http_proxy'] ?? env['HTTP_PROXY'] ?? '',
      httpsProxy: env['https_proxy'] ?? env['HTTPS_PROXY'] ?? '',
      noProxy: env['no_proxy'] ?? env['NO_PROXY'] ?? '',
      connect,
      requestTls: connect,
      proxyTls: connect,
      // Stalls are the callers' to time: they know whether bytes arrive.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  } catch (cause) {
    throw new UsageError(`HTTP_PROXY or HTTPS_PROXY is not a usable proxy URL`, { cause });
  }
  return {
    async get(url, headers = {}, signal) {
      const authorization = tokenFor(url, settings);
      let response: Response;
      try {
        response = await fetch(url, {
          dispatcher: agent,
          signal,
          // Identity: Content-Length and ranges must count the file's own bytes.
          headers: { 'user-agent': 'nibble', 'accept-encoding': 'identity', ...authorization, ...headers },
        });
      } catch (error) {
        if (settings.signal?.aborted) throw new AbortedError();
        throw isConnectFailure(error) ? new UnreachableError(url, error) : passing(url, error);
      }
      if ([200, 206, 416].includes(response.status)) return response;
      await response.body?.cancel().catch(() => undefined);
      throw statusError(response, url, authorization !== undefined);
    },
    close: () => agent.destroy().catch(() => undefined),
  };
}

/** A failure in the middle of a transfer, as a PassingError. */
export function passing(url: string, error: unknown): PassingError {
  if (error instanceof PassingError) return error;
  return new PassingError(`the connection to ${hostOf(url)} broke (${reasonOf(error)})`, { cause: error });
}

/** Waits; throws AbortedError when the signal fires. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) throw new AbortedError();
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new AbortedError());
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** How long to wait before attempt `failures` + 1: doubling, at least what the server asked for, at most 60 s. */
export function backoff(failures: number, settings: Settings, error: unknown): number {
  const own = Math.min(30_000, settings.limits.backoffMs * 2 ** (failures - 1));
  return Math.min(60_000, Math.max(own, error instanceof PassingError ? error.waitMs : 0));
}

export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}

/** The token goes to the hub and nowhere else (undici drops it on redirects to other origins). */
function tokenFor(url: string, settings: Settings): { authorization: string } | undefined {
  if (!settings.token || new URL(url).origin !== new URL(settings.endpoint).origin) return undefined;
  return { authorization: `Bearer ${settings.token}` };
}

function statusError(response: Response, url: string, withToken: boolean): StoreError {
  const { status } = response;
  const what = `${hostOf(url)} answered ${status} for ${new URL(url).pathname}`;
  if (status === 429 || status >= 500) {
    return new PassingError(what, { waitMs: retryAfter(response.headers.get('retry-after')) });
  }
  if (status === 401 || status === 403) return new StoreError('ERR_STORE_GATED', gatedText(what, withToken));
  if (status === 404)
    return new StoreError('ERR_STORE_NOT_FOUND', `${what}: there is no such file or repository`);
  return new StoreError('ERR_STORE_HTTP', what);
}

function gatedText(what: string, withToken: boolean): string {
  const access = withToken
    ? 'the token in HF_TOKEN does not open it: accept the licence on its page with that account, or use another token'
    : 'it is gated (accept the licence on its page, then set HF_TOKEN to a read token of your account), private, or does not exist';
  return `${what}: ${access}`;
}

/** Seconds or an HTTP date -> milliseconds. */
function retryAfter(value: string | null): number {
  if (value === null) return 0;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

const CONNECT_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_PRX_TLS',
]);

/** Undici's words for a proxy that refuses to open a tunnel, such as `Proxy response (407) !== 200 ...`. */
const PROXY_REFUSAL = /Proxy response \((\d+)\)/;

function isConnectFailure(error: unknown): boolean {
  const code = codeOf(error);
  // What fetch itself refuses (forbidden ports, redirects without end) has no code.
  if (code === undefined) return error instanceof TypeError;
  if (PROXY_REFUSAL.test(innermost(error)?.message ?? '')) return true;
  // Certificate trouble (a proxy that inspects traffic) will not pass either.
  return CONNECT_CODES.has(code) || /CERT|SELF_SIGNED|^ERR_TLS|^ERR_SSL/.test(code);
}

/** The first error of the chain with a code: undici wraps the socket's error in a TypeError `fetch failed`. */
function innermost(error: unknown): Chained | undefined {
  let e = error as Chained | undefined;
  for (let depth = 0; e && depth < 5; e = e.cause ?? e.errors?.[0], depth++) {
    if (typeof e.code === 'string') return e;
  }
  return undefined;
}

function codeOf(error: unknown): string | undefined {
  return innermost(error)?.code as string | undefined;
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return 'no answer in time';
  const refusal = PROXY_REFUSAL.exec(innermost(error)?.message ?? '');
  if (refusal) return `the proxy answered ${refusal[1]}`;
  const { cause } = error as Chained;
  return code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
}

interface Chained {
  code?: unknown;
  message?: string;
  cause?: Chained;
  errors?: Chained[];
}
