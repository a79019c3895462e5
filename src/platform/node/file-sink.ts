/** Files as ByteSinks: written beside the target under a temporary name and renamed when whole. */
import { open, rename, rm, stat } from 'node:fs/promises';
import { GgufError } from '../../errors.ts';
import type { ByteSink } from '../../gguf/sinks.ts';
import { writeReason } from './write-reason.ts';

/**
 * Creates a file; what stood under `path` stays until `close()`.
 *
 * @throws GgufError when the folder does not exist or may not be written to, or `path` is itself a folder; so does the
 *   sink when the disk is full
 */
export async function fileSink(path: string): Promise<ByteSink> {
  const partial = `${path}.${process.pid}.partial`;
  // Renaming would find it out only after everything has been written.
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory()) throw new GgufError(`${path}: cannot be written: it is a directory`);
  const failed = (error: unknown): never => {
    throw new GgufError(`${path}: cannot be written: ${writeReason(error)}`, { cause: error });
  };
  const handle = await open(partial, 'w').catch(failed);
  let state: 'open' | 'closed' | 'done' = 'open';
  const release = async (): Promise<void> => {
    if (state !== 'open') return;
    state = 'closed';
    await handle.close();
  };
  return {
    name: path,
    async write(bytes) {
      for (let done = 0; done < bytes.length;) {
        done += (await handle.write(bytes, done).catch(failed)).bytesWritten;
      }
    },
    async close() {
      // On the disk before the name appears: a crash leaves the old file or the new one, never half of one.
      await handle.sync().catch(failed);
      await release();
      await rename(partial, path);
      state = 'done';
    },
    async abort() {
      await release();
      // Closed already: the file is whole, but the model that it belongs to is not.
      await rm(state === 'done' ? path : partial, { force: true });
    },
  };
}
