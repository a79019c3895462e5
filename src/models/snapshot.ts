/**
 * A whole repository of the hub in a folder, as huggingface_hub's snapshot_download makes it: every file under its
 * own path, checked by sha256 or git's sum; what is there already and right is not fetched again, what was begun
 * goes on.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { StoreError, UsageError } from '../errors.ts';
import { writableHome } from '../platform/node/paths.ts';
import { megabytes, requireSpace, sha256Of } from './disk.ts';
import { downloadFile } from './download.ts';
import { hostOf, openHttp, type HttpClient } from './http.ts';
import { commitOf, listFiles, type HubFile } from './hub.ts';
import { withLock } from './lock.ts';
import { ProgressMeter } from './progress.ts';
import { settingsOf, type Settings } from './settings.ts';
import type { StoreOptions } from './types.ts';

export interface SnapshotSpec {
  repository: string;
  /** A branch, a tag or a commit. */
  revision: string;
}

export interface SnapshotOptions extends StoreOptions {
  /** Default: below the store, by repository and revision. */
  localDir?: string;
  /** Paths to fetch; default: all. */
  paths?: RegExp;
}

export interface Snapshot {
  folder: string;
  repository: string;
  /** The commit, or the revision as given where the server does not say it. */
  revision: string;
  files: { path: string; bytes: number; fetched: boolean }[];
  bytes: number;
}

/** What a conversion to GGUF reads: no copies of the weights for other programs. */
export const CHECKPOINT_PATHS =
  /^[^/]+\.(json|safetensors|model|txt|jinja)$|^additional_chat_templates\/|^1_Pooling\/config\.json$/;

/** `hf:OWNER/REPO` or `hf:OWNER/REPO@REVISION`. Throws UsageError for anything else. */
export function parseSnapshotSpec(text: string): SnapshotSpec {
  const match = /^hf:(?:\/\/)?([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/i.exec(text.trim());
  const [, repository, revision = 'main'] = match ?? [];
  const dots = (part: string): boolean => /^\.+$/.test(part);
  if (
    !repository ||
    repository.split('/').some(dots) ||
    revision.split('/').some((part) => part === '' || dots(part))
  ) {
    throw new UsageError(`${text}: expected hf:OWNER/REPO or hf:OWNER/REPO@REVISION`);
  }
  return { repository, revision };
}

/** Fetches what is missing; offline, takes what is there. Throws UsageError, StoreError or AbortedError; what has arrived stays for the next call. */
export async function pullSnapshot(text: string, options: SnapshotOptions = {}): Promise<Snapshot> {
  const spec = parseSnapshotSpec(text);
  const settings = settingsOf(options);
  const folder = options.localDir ?? (await storeFolder(spec, settings));
  if (settings.offline) return fetchedBefore(text, spec, folder);
  await mkdir(folder, { recursive: true });
  const http = await openHttp(settings);
  const onWait = (): void =>
    settings.onNotice(`another process is fetching into ${folder} already: waiting for it`);
  try {
    return await withLock(join(folder, '.nibble-pull.lock'), { signal: settings.signal, onWait }, () =>
      fetchAll(spec, folder, http, settings, options.paths),
    );
  } finally {
    await http.close();
  }
}

/** Without a network: what is there, as far as its files are whole. Whether some are missing, nobody can say. */
async function fetchedBefore(text: string, spec: SnapshotSpec, folder: string): Promise<Snapshot> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = found
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.nibble-pull'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  if (paths.length === 0 || paths.some((path) => /\.part(\.json)?$/.test(path))) {
    const problem = paths.length === 0 ? 'cannot be fetched' : `is not whole in ${folder}`;
    throw new StoreError('ERR_STORE_OFFLINE', `${text} ${problem}: nibble is offline (--offline)`);
  }
  const files: Snapshot['files'] = [];
  for (const path of paths.sort()) {
    files.push({ path, bytes: await sizeOf(join(folder, path)), fetched: false });
  }
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { folder, repository: spec.repository, revision: spec.revision, files, bytes };
}

async function storeFolder({ repository, revision }: SnapshotSpec, settings: Settings): Promise<string> {
  const { path: home, notice } = await writableHome(settings.home, settings.env);
  if (notice !== undefined) settings.onNotice(notice);
  return join(home, 'checkpoints', ...repository.split('/'), revision.replaceAll('/', '--'));
}

async function fetchAll(
  spec: SnapshotSpec,
  folder: string,
  http: HttpClient,
  settings: Settings,
  paths = /./,
): Promise<Snapshot> {
  const { repository } = spec;
  const revision = await commitOf(repository, spec.revision, http, settings);
  const listed = await listFiles(repository, http, settings, { revision, paths });
  if (listed.length === 0) {
    throw new StoreError('ERR_STORE_NOT_FOUND', `hf:${repository}@${spec.revision} has no such files`);
  }
  for (const { path } of listed) checkPath(path, repository);
  const missing: HubFile[] = [];
  const files: Snapshot['files'] = [];
  for (const file of listed) {
    const there = await isThere(file, join(folder, file.path), settings);
    if (!there) missing.push(file);
    files.push({ path: file.path, bytes: file.size ?? 0, fetched: !there });
  }
  await fetchFiles(missing, folder, repository, http, settings);
  for (const file of files) file.bytes = (await stat(join(folder, file.path))).size;
  return { folder, repository, revision, files, bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
}

async function fetchFiles(
  files: readonly HubFile[],
  folder: string,
  repository: string,
  http: HttpClient,
  settings: Settings,
): Promise<void> {
  const total = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
  if (files.length === 0) return;
  let partial = 0;
  for (const { path } of files) partial += await sizeOf(`${join(folder, path)}.part`);
  await requireSpace(folder, Math.max(0, total - partial), 'Name a folder on another disk with --local-dir.');
  const host = hostOf(settings.endpoint);
  settings.onNotice(`fetching ${files.length} files of hf:${repository} from ${host} (${megabytes(total)})`);
  const meter = new ProgressMeter('download', 'hub', total, settings.onProgress);
  let before = 0;
  for (const file of files) {
    const target = join(folder, file.path);
    await mkdir(dirname(target), { recursive: true });
    const stored = await downloadFile({ ...file, anyKind: true }, target, http, settings, {
      onStart: (bytes) => meter.startAt(before + bytes),
      onBytes: (bytes) => meter.update(before + bytes),
    });
    if (file.gitSha1 !== undefined && (await gitSha1Of(target)) !== file.gitSha1) {
      await rm(target, { force: true });
      throw new StoreError('ERR_STORE_CHECKSUM', `${target}: is not what the hub has: damaged on the way`);
    }
    before += stored.size;
  }
  meter.finish(before);
}

/** Names of the hub become paths of this machine: none may lead out of the folder, or hide in it. */
function checkPath(path: string, repository: string): void {
  const parts = path.split('/');
  const fine = parts.every((part) => !/^\.*$/.test(part) && !/[\\:*?"<>|\p{Cc}]/u.test(part));
  if (!fine || path.endsWith('.part') || path.endsWith('.part.json')) {
    throw new StoreError(
      'ERR_STORE_HUB',
      `hf:${repository} has a file whose name cannot be used: ${JSON.stringify(path)}`,
    );
  }
}

async function isThere(file: HubFile, target: string, settings: Settings): Promise<boolean> {
  const size = await sizeOf(target, -1);
  if (size < 0 || size !== file.size) return false;
  if (file.sha256 !== undefined) return (await sha256Of(target, undefined, settings.signal)) === file.sha256;
  return file.gitSha1 !== undefined && (await gitSha1Of(target)) === file.gitSha1;
}

/** Git's name for a file's contents; only small files have no other sum. */
async function gitSha1Of(path: string): Promise<string> {
  const bytes = await readFile(path);
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

function sizeOf(path: string, absent = 0): Promise<number> {
  return stat(path).then(
    (status) => status.size,
    () => absent,
  );
}
