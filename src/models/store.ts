/**
 * The store on disk, below `<home>/models`: one folder per model and quantization, holding the GGUF file or its
 * shards and `model.json`, written last: a folder without it is a download under way.
 *
 *     smollm2-135m/Q4_1/            a list entry
 *     hf/owner/repo/Q8_0/           hf:owner/repo:Q8_0
 *     hf/owner/repo/file-1a2b3c4d/  hf:owner/repo/folder/FILE.gguf
 *     url/0123456789abcdef/         a URL
 *     locks/                        one per model
 */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortedError } from '../errors.ts';
import type { StoredFile } from './download.ts';
import { hasGgufMagic, readJson, sha256Of, writeJson } from './disk.ts';
import { candidates } from './quantization.ts';
import type { ModelSpec } from './spec.ts';
import type { CachedModel } from './types.ts';

export interface ManifestFile extends StoredFile {
  name: string;
  /** Time stamp at the last full check: a change makes the next start hash the file. */
  mtimeMs: number;
}

export interface Manifest {
  version: 1;
  /** As text that parseModelSpec reads. */
  name: string;
  quantization?: string;
  source: CachedModel['source'];
  url: string;
  fetched: string;
  /** Wishes that this model was the answer to: `default`, `INT4`, `Q8_0`. */
  answers: string[];
  files: ManifestFile[];
}

/** A folder of the store with a manifest. */
export interface StoredModel {
  folder: string;
  manifest: Manifest;
}

export type FetchedSpec = Exclude<ModelSpec, { kind: 'path' }>;

const MANIFEST = 'model.json';

/** The folder, relative to `<home>/models`, above the quantizations of a model, as path parts. */
export function baseParts(spec: FetchedSpec): string[] {
  if (spec.kind === 'name') return [spec.entry.name];
  if (spec.kind === 'url') return ['url'];
  return ['hf', ...spec.repository.split('/')];
}

/** The last part of the folder: the quantization, or a hash of what names the file. */
export function leafPart(spec: FetchedSpec, quantization: string | undefined): string {
  if (spec.kind === 'url') return digest(spec.url).slice(0, 16);
  if (spec.kind === 'hub' && spec.file !== undefined) return `file-${digest(spec.file).slice(0, 8)}`;
  return quantization ?? 'unknown';
}

/** What the user asked for, as it is noted in `answers`. */
export function wishOf(spec: FetchedSpec): string {
  return (spec.kind === 'url' ? undefined : spec.quantization) ?? 'default';
}

/** The stored model of a home that answers the spec; `any`: whatever quantization, the preferred first. */
export async function findStored(
  home: string,
  spec: FetchedSpec,
  any = false,
): Promise<StoredModel | undefined> {
  const base = join(home, 'models', ...baseParts(spec));
  if (spec.kind === 'url' || (spec.kind === 'hub' && spec.file !== undefined)) {
    return readStored(join(base, leafPart(spec, undefined)));
  }
  const wish = wishOf(spec);
  const order = candidates(spec.quantization, spec.kind === 'name' ? spec.entry.quantizations : []);
  // Single files of a repository were asked for by path: they answer no other wish.
  const here = (await storedIn(base)).filter((model) => !/[/\\]file-[^/\\]*$/.test(model.folder));
  const withQuantization = (q: string): StoredModel | undefined =>
    here.find((model) => model.manifest.quantization === q);
  const found = withQuantization(order[0]!) ?? here.find((model) => model.manifest.answers.includes(wish));
  if (found !== undefined || !any) return found;
  return order.map(withQuantization).find((model) => model !== undefined);
}

/** All models below a folder of the store. */
export async function storedIn(folder: string): Promise<StoredModel[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const models: StoredModel[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory() || entry.name.endsWith('.wheels')) continue;
    const path = join(folder, entry.name);
    const model = await readStored(path);
    models.push(...(model ? [model] : await storedIn(path)));
  }
  return models;
}

export interface Damage {
  path: string;
  reason: string;
}

/**
 * Checks a stored model: each file's size and magic, and its sha256 when `full` or when its time stamp is not
 * the one of the last check. Returns what is wrong. Throws AbortedError.
 */
export async function checkStored(
  model: StoredModel,
  options: { full: boolean; onBytes?: (bytes: number) => void; signal?: AbortSignal },
): Promise<Damage[]> {
  const damage: Damage[] = [];
  let before = 0;
  let touched = false;
  for (const file of model.manifest.files) {
    const path = join(model.folder, file.name);
    const checked = await checkFile(
      path,
      file,
      options.full,
      (b) => options.onBytes?.(before + b),
      options.signal,
    );
    if (checked.reason !== undefined) damage.push({ path, reason: checked.reason });
    touched ||= checked.mtimeMs !== file.mtimeMs;
    file.mtimeMs = checked.mtimeMs;
    before += file.size;
  }
  // In a read-only store this fails, and the file is hashed at each start.
  if (touched && damage.length === 0) await writeStored(model).catch(() => undefined);
  return damage;
}

/** Writes the manifest. */
export async function writeStored(model: StoredModel): Promise<void> {
  await writeJson(join(model.folder, MANIFEST), model.manifest);
}

export function pathsOf(model: StoredModel): string[] {
  return model.manifest.files.map((file) => join(model.folder, file.name));
}

export function bytesOf(model: StoredModel): number {
  return model.manifest.files.reduce((sum, file) => sum + file.size, 0);
}

async function checkFile(
  path: string,
  file: ManifestFile,
  full: boolean,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<{ reason?: string; mtimeMs: number }> {
  let { mtimeMs } = file;
  try {
    const status = await stat(path);
    mtimeMs = status.mtimeMs;
    if (status.size !== file.size) return { reason: `${status.size} bytes instead of ${file.size}`, mtimeMs };
    if (!(await hasGgufMagic(path))) return { reason: 'not a GGUF file', mtimeMs };
    if ((full || mtimeMs !== file.mtimeMs) && (await sha256Of(path, onBytes, signal)) !== file.sha256) {
      return { reason: 'its sha256 is not the one it was stored with', mtimeMs };
    }
    return { mtimeMs };
  } catch (error) {
    if (error instanceof AbortedError) throw error;
    return {
      reason: (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : String(error),
      mtimeMs,
    };
  }
}

/** The model in a folder; undefined when its manifest is absent or not one. */
export async function readStored(folder: string): Promise<StoredModel | undefined> {
  const value = (await readJson(join(folder, MANIFEST))) as Partial<Manifest> | null | undefined;
  const valid =
    value?.version === 1 &&
    typeof value.name === 'string' &&
    Array.isArray(value.answers) &&
    Array.isArray(value.files) &&
    value.files.length > 0 &&
    value.files.every(
      (f) => typeof f?.name === 'string' && typeof f.size === 'number' && typeof f.sha256 === 'string',
    );
  return valid ? { folder, manifest: value as Manifest } : undefined;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
