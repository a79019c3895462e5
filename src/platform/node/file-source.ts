/** Files as ByteSources. */
import { open, type FileHandle } from 'node:fs/promises';
import { GgufError } from '../../errors.ts';
import { checkRange } from '../../gguf/check-range.ts';
import type { ByteSource } from '../../gguf/types.ts';

/** Node refuses reads of 2 GiB and more in one call. */
const MAX_READ = 1024 * 1024 * 1024;

/**
 * Opens a file for random reads; close it.
 *
 * @throws GgufError when there is no such file, it is a directory or no regular file, or may not be read
 */
export async function fileSource(path: string): Promise<ByteSource> {
  const handle = await openForReading(path);
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new GgufError(`${path}: is a directory, not a GGUF file`);
    if (!stat.isFile()) throw new GgufError(`${path}: is not a regular file: its size is unknown`);
    return new FileSource(path, stat.size, handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  private readonly handle: FileHandle;
  private closed = false;

  constructor(name: string, size: number, handle: FileHandle) {
    this.name = name;
    this.size = size;
    this.handle = handle;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this, offset, length);
    if (this.closed) throw new GgufError(`${this.name}: is closed already`);
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.handle.read(
        bytes,
        done,
        Math.min(length - done, MAX_READ),
        offset + done,
      );
      if (bytesRead === 0) throw new GgufError(`${this.name}: became shorter while it was being read`);
      done += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.handle.close();
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw new GgufError(`${path}: ${problem(error)}`, { cause: error });
  }
}

function problem(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'no such file';
    case 'ENOTDIR':
      return 'no such file: part of the path is not a directory';
    case 'EISDIR':
      return 'is a directory, not a GGUF file';
    case 'EACCES':
    case 'EPERM':
      return 'no permission to read it';
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
