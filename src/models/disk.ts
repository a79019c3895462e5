/** Disk chores of the store: free space, hashes, atomic writes; and one clear text for a full disk. */
import { createHash, randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { AbortedError, StoreError } from '../errors.ts';
import { pause } from './http.ts';

/** Left free beside a download: other programs live on the disk too. */
const MARGIN_BYTES = 32 << 20;

const STORE_ADVICE = 'Remove models (nibble rm) or set NIBBLE_HOME to another disk.';

/** Throws StoreError ERR_STORE_SPACE when `bytes` more do not fit into the file system of `folder`. */
export async function requireSpace(folder: string, bytes: number, advice = STORE_ADVICE): Promise<void> {
  let free: number;
  try {
    const status = await statfs(folder);
    free = status.bavail * status.bsize;
  } catch {
    return; // Some file systems do not say: a full disk then shows when writing.
  }
  // Some network and FUSE file systems report 0 blocks in all.
  if (free > 0 && free < bytes + MARGIN_BYTES) {
    throw new StoreError(
      'ERR_STORE_SPACE',
      `not enough room in ${folder}: ${megabytes(bytes + MARGIN_BYTES)} must be free, ${megabytes(free)} are. ${advice}`,
    );
  }
}

/** A write error as the user should read it; what was written stays for a later resume. */
export function writeError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new StoreError(
      'ERR_STORE_SPACE',
      `the disk is full: ${path} is not complete. Free some room and start again (the download goes on where it stopped), or set NIBBLE_HOME to another disk.`,
      { cause: error },
    );
  }
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    return new StoreError(
      'ERR_STORE_READ_ONLY',
      `cannot write ${path} (${code}). Set NIBBLE_HOME to a folder that can be written.`,
      { cause: error },
    );
  }
  return error;
}

/** Feeds the first `length` bytes of a file to `hash`. Throws AbortedError. */
export async function hashInto(
  hash: ReturnType<typeof createHash>,
  path: string,
  length: number,
  onBytes: (bytes: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (let done = 0; done < length;) {
      if (signal?.aborted) throw new AbortedError();
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, length - done), done);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      done += bytesRead;
      onBytes(done);
    }
  } finally {
    await handle.close();
  }
}

/** sha256 of a file, in hexadecimal. */
export async function sha256Of(
  path: string,
  onBytes?: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  await hashInto(hash, path, Infinity, onBytes, signal);
  return hash.digest('hex');
}

/** Whether the file starts with the four bytes of every GGUF. */
export async function hasGgufMagic(path: string): Promise<boolean> {
  const handle = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.toString('latin1') === 'GGUF';
  } finally {
    await handle.close();
  }
}

/** Readers see the old content or the new one, never a half. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, JSON.stringify(value, null, 2) + '\n');
    await replaceFile(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(error, path);
  }
}

/** The parsed file, or undefined when it is absent or no JSON. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Renames over an existing file. On Windows, virus scanners hold fresh files open for a moment: tries again. */
export async function replaceFile(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await rename(from, to);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (attempt >= 10 || !['EPERM', 'EACCES', 'EBUSY'].includes(code)) throw writeError(error, to);
      await pause(20 * attempt, undefined);
    }
  }
}

/** `98.4 MB`, `4.92 GB`: decimal units, as the hub and disk makers count. */
export function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
