/**
 * The Hugging Face hub (or what stands at HF_ENDPOINT): which files a repository has, and which of them make up
 * a quantization. Names, sizes and checksums always come from here, never from the list.
 */
import { StoreError } from '../errors.ts';
import { backoff, passing, pause, PassingError, UnreachableError, type HttpClient } from './http.ts';
import { PREFERRED, quantizationOf, shardOf } from './quantization.ts';
import type { Settings } from './settings.ts';

/** A file to fetch. */
export interface RemoteFile {
  /** Name in the cache, without folders. */
  name: string;
  url: string;
  /** Undefined where the server will say it. */
  size?: number;
  sha256?: string;
  /** Anything may be in it; otherwise it has to begin as GGUF files do. */
  anyKind?: boolean;
}

/** A file of a repository, with its path there. */
export interface HubFile extends RemoteFile {
  path: string;
  /** Files that git itself keeps have no sha256 but git's own sum. */
  gitSha1?: string;
}

export interface Listing {
  /** A branch, a tag or a commit; default: main. */
  revision?: string;
  /** Paths to list; default: GGUF files. */
  paths?: RegExp;
}

const MAX_PAGES = 50;
/** For one page of a listing, in milliseconds: they are a few KB. */
const LISTING_MS = 15_000;

/**
 * All GGUF files of a repository, or those that are asked for. Throws UnreachableError, or StoreError ERR_STORE_GATED, ERR_STORE_NOT_FOUND,
 * ERR_STORE_HUB (an answer that is not the hub's), ERR_STORE_NETWORK after the last attempt.
 */
export async function listFiles(
  repository: string,
  http: HttpClient,
  settings: Settings,
  { revision = 'main', paths = /\.gguf$/i }: Listing = {},
): Promise<HubFile[]> {
  const files: HubFile[] = [];
  const at = encodeURIComponent(revision);
  let url: string | undefined = `${settings.endpoint}/api/models/${repository}/tree/${at}?recursive=true`;
  for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
    const { body, next }: Page = await getPage(url, http, settings);
    for (const item of readTree(body, repository).filter(({ path }) => paths.test(path))) {
      const path = item.path.split('/').map(encodeURIComponent).join('/');
      files.push({
        ...item,
        name: safeName(item.path),
        url: `${settings.endpoint}/${repository}/resolve/${at}/${path}`,
      });
    }
    url = next;
  }
  return files;
}

/**
 * The commit that a branch or tag stands for, so that all files are of one state; the revision itself where the
 * server (a mirror, mostly) does not say it. Throws as listFiles does.
 */
export async function commitOf(
  repository: string,
  revision: string,
  http: HttpClient,
  settings: Settings,
): Promise<string> {
  const url = `${settings.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
  try {
    const sha = ((await getPage(url, http, settings)).body as { sha?: unknown } | null)?.sha;
    return typeof sha === 'string' && /^[0-9a-f]{40}$/.test(sha) ? sha : revision;
  } catch (error) {
    // A revision that is not there shows when its files are listed.
    if (error instanceof StoreError && error.code === 'ERR_STORE_NOT_FOUND') return revision;
    throw error;
  }
}

/**
 * The files of the first of `wishes` that the repository has, all shards in order; undefined when it has none.
 * Throws StoreError ERR_STORE_HUB when a shard is missing.
 */
export function pickQuantization(
  files: readonly HubFile[],
  wishes: readonly string[],
): { quantization: string; files: HubFile[] } | undefined {
  const models = files.filter((file) => !/mmproj|imatrix/i.test(file.path));
  for (const quantization of wishes) {
    const matching = models
      .filter((file) => quantizationOf(file.path) === quantization)
      // Variants have longer names (`x-UD-Q4_K_M.gguf`): the plain file is meant.
      .sort((a, b) => a.path.length - b.path.length || (a.path < b.path ? -1 : 1));
    if (matching[0]) return { quantization, files: withShards(matching[0], models) };
  }
  return undefined;
}

/** One file by its path, and its sibling shards; undefined when the repository has no such path. */
export function pickFile(files: readonly HubFile[], path: string): HubFile[] | undefined {
  const file =
    files.find((f) => f.path === path) ?? files.find((f) => f.path.toLowerCase() === path.toLowerCase());
  return file && withShards(file, files);
}

/** The quantizations of a repository, in order of preference, for error messages. */
export function availableQuantizations(files: readonly HubFile[]): string[] {
  const names = new Set(files.map((file) => quantizationOf(file.path)).filter((q) => q !== undefined));
  const rank = (q: string): number => (PREFERRED.includes(q) ? PREFERRED.indexOf(q) : PREFERRED.length);
  return [...names].sort((a, b) => rank(a) - rank(b));
}

/** The last part of a path or URL, made fit for a file name on every system. */
export function safeName(path: string): string {
  const last =
    path
      .split('/')
      .filter((part) => part !== '')
      .at(-1) ?? '';
  // eslint-disable-next-line no-control-regex
  const name = last.replace(/[<>:"\\|?*\u0000-\u001f]/g, '_').replace(/^\.+|[. ]+$/g, '');
  return name === '' ? 'model.gguf' : name;
}

function withShards(file: HubFile, files: readonly HubFile[]): HubFile[] {
  const shard = shardOf(file.path);
  if (!shard) return [file];
  const all = files.filter((f) => {
    const other = shardOf(f.path);
    return other !== undefined && other.stem === shard.stem && other.count === shard.count;
  });
  all.sort((a, b) => shardOf(a.path)!.index - shardOf(b.path)!.index);
  if (all.length !== shard.count || all.some((f, i) => shardOf(f.path)!.index !== i + 1)) {
    throw new StoreError(
      'ERR_STORE_HUB',
      `${file.path}: the repository has ${all.length} of its ${shard.count} shards`,
    );
  }
  return all;
}

interface Page {
  body: unknown;
  next: string | undefined;
}

async function getPage(url: string, http: HttpClient, settings: Settings): Promise<Page> {
  for (let failures = 0; ;) {
    try {
      const limit = AbortSignal.timeout(Math.min(LISTING_MS, settings.limits.stallMs));
      const signal = settings.signal ? AbortSignal.any([settings.signal, limit]) : limit;
      const response = await http.get(url, { accept: 'application/json' }, signal);
      const text = await response.text().catch((error: unknown) => {
        throw passing(url, error);
      });
      return { body: parseJson(text, url), next: nextPage(response.headers.get('link'), url, settings) };
    } catch (error) {
      if (!(error instanceof PassingError)) throw error;
      // A hub that is silent once is not waited for again: mirrors may answer at once.
      if (/timeout/i.test(error.message)) throw new UnreachableError(url, new Error('no answer in time'));
      if (++failures >= settings.limits.attempts) throw error;
      await pause(backoff(failures, settings, error), settings.signal);
    }
  }
}

function parseJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // Login pages of hotel networks, error pages of proxies.
    throw new StoreError('ERR_STORE_HUB', `${url} did not answer as the hub does (no JSON)`, { cause });
  }
}

function readTree(
  body: unknown,
  repository: string,
): Pick<HubFile, 'path' | 'size' | 'sha256' | 'gitSha1'>[] {
  if (!Array.isArray(body))
    throw new StoreError('ERR_STORE_HUB', `unexpected answer from the hub for ${repository}`);
  return (body as TreeItem[])
    .filter((item) => item?.type === 'file' && typeof item.path === 'string')
    .map((item) => {
      const sha256 = item.lfs?.oid;
      const size = item.lfs?.size ?? item.size;
      return {
        path: item.path as string,
        ...(typeof size === 'number' ? { size } : {}),
        ...(typeof sha256 === 'string' && /^[0-9a-f]{64}$/i.test(sha256)
          ? { sha256: sha256.toLowerCase() }
          : {}),
        ...((item.lfs ?? undefined) === undefined &&
        typeof item.oid === 'string' &&
        /^[0-9a-f]{40}$/.test(item.oid)
          ? { gitSha1: item.oid }
          : {}),
      };
    });
}

interface TreeItem {
  type?: unknown;
  path?: unknown;
  size?: unknown;
  oid?: unknown;
  lfs?: { oid?: unknown; size?: unknown };
}

/** `Link: <url>; rel="next"`; another host is not followed. */
function nextPage(link: string | null, url: string, settings: Settings): string | undefined {
  const match = link === null ? null : /<([^>]+)>\s*;\s*rel="?next"?/i.exec(link);
  if (!match) return undefined;
  const next = new URL(match[1]!, url);
  return next.origin === new URL(settings.endpoint).origin ? next.href : undefined;
}
