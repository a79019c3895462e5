/** The store as the user manages it: list, remove, pull. */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StoreError, UsageError } from '../errors.ts';
import { homeCandidates } from '../platform/node/paths.ts';
import { approximateBytes, approximateRam, MODELS } from './list.ts';
import { withLock } from './lock.ts';
import { lockPath, resolveWith } from './resolve.ts';
import { settingsOf } from './settings.ts';
import { parseModelSpec } from './spec.ts';
import { baseParts, bytesOf, leafPart, pathsOf, storedIn, type StoredModel } from './store.ts';
import type { CachedModel, ListedModel, ResolvedModel, ResolveOptions, StoreOptions } from './types.ts';

/** Fetches a model, checks it in full, and does not fall back on the embedded one. Throws as resolveModel. */
export async function pullModel(
  spec: string | undefined,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  return resolveWith(spec, { verify: true, ...options }, false);
}

/** The model list with what is in the store, then the stored models outside the list. */
export async function listModels(options: StoreOptions = {}): Promise<ListedModel[]> {
  const settings = settingsOf(options);
  const stored: StoredModel[] = [];
  for (const { path } of homeCandidates(settings.home, settings.env)) {
    stored.push(...(await storedIn(join(path, 'models'))));
  }
  const rows: ListedModel[] = MODELS.map((entry) => ({
    name: entry.name,
    entry,
    approximateBytes: approximateBytes(entry),
    approximateRam: approximateRam(entry),
    cached: [],
  }));
  for (const model of stored) {
    const row = rows.find((r) => r.entry && model.manifest.name.split(':')[0] === r.name);
    if (row) row.cached.push(cachedModel(model));
    else rows.push({ name: model.manifest.name, cached: [cachedModel(model)] });
  }
  return rows;
}

/**
 * Removes a model from the store: one quantization where the text names one, otherwise all of them, and what an
 * interrupted download left. Throws UsageError for a path, StoreError ERR_STORE_NOT_FOUND when nothing is there.
 */
export async function removeModel(
  text: string,
  options: StoreOptions & { format?: string } = {},
): Promise<{ removed: string[]; bytes: number }> {
  const settings = settingsOf(options);
  const spec = parseModelSpec(text, { format: options.format });
  if (spec.kind === 'path') {
    throw new UsageError(`${text} is a path, not a model of the store (nibble list shows the names)`);
  }
  const exact = spec.kind === 'url' || (spec.kind === 'hub' && spec.file !== undefined);
  const quantization = spec.kind === 'url' || exact ? undefined : spec.quantization;
  const removed: string[] = [];
  let bytes = 0;
  for (const { path: home } of homeCandidates(settings.home, settings.env)) {
    const base = join(home, 'models', ...baseParts(spec));
    const leaf = exact || quantization !== undefined ? leafPart(spec, quantization) : undefined;
    const folders = (await readdir(base).catch(() => []))
      .filter((name) => leaf === undefined || name === leaf)
      .map((name) => join(base, name));
    if (folders.length === 0) continue;
    const onWait = (): void => settings.onNotice(`${text} is being fetched: waiting until that ends`);
    await withLock(await lockPath(home, spec), { onWait, signal: settings.signal }, async () => {
      for (const folder of folders) {
        bytes += (await storedIn(dirname(folder)))
          .filter((model) => model.folder === folder)
          .reduce((sum, model) => sum + bytesOf(model), 0);
        await removeFolder(folder);
        removed.push(folder);
      }
      // Only when it is empty: other quantizations may be there.
      await rmdir(base).catch(() => undefined);
    });
  }
  if (removed.length === 0) throw new StoreError('ERR_STORE_NOT_FOUND', `${text} is not in the store`);
  return { removed, bytes };
}

async function removeFolder(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new StoreError(
      'ERR_STORE_READ_ONLY',
      `cannot remove ${folder} (${code}): a running model may have it open`,
      {
        cause,
      },
    );
  }
}

function cachedModel(model: StoredModel): CachedModel {
  const { name, quantization, source, url, fetched } = model.manifest;
  return {
    name,
    ...(quantization === undefined ? {} : { quantization }),
    paths: pathsOf(model),
    bytes: bytesOf(model),
    source,
    url,
    fetched,
  };
}
