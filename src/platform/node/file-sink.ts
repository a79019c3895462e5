/** Files as ByteSinks: written beside the target under a temporary name and renamed when whole. */
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { GgufError } from '../../errors.ts';
import type { ByteSink } from '../../gguf/sinks.ts';
import { writeReason } from './write-reason.ts';

/** The error of a file that cannot be written; default: of a model's. */
export type WriteFailure = (path: string, error: unknown) => Error;

const modelFailure: WriteFailure = (path, error) =>
  new GgufError(`${path}: cannot be written: ${writeReason(error)}`, { cause: error });

/**
 * Creates a file; what stood under `path` stays until `close()`. What is no file, such as /dev/null or a pipe, is written
 * to as it is.
 *
 * @throws what `failure` makes (GgufError) when the folder does not exist or may not be written to, or `path` is itself a
 *   folder; so does the sink when the disk is full
 */
export async function fileSink(path: string, failure = modelFailure): Promise<ByteSink> {
  const failed = (error: unknown): never => {
    throw failure(path, error);
  };
  const there = await stat(path).catch(() => undefined);
  // Renaming would find it out only after everything has been written.
  if (there?.isDirectory()) failed({ code: 'EISDIR' });
  const direct = there !== undefined && !there.isFile();
  // Behind a link: the link stays one.
  const target = there?.isFile() ? await realpath(path) : path;
  const partial = direct ? path : `${target}.${process.pid}.partial`;
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
      if (direct) return release();
      // On the disk before the name appears: a crash leaves the old file or the new one, never half of one.
      await handle.sync().catch(failed);
      await release();
      await rename(partial, target).catch(failed);
      state = 'done';
    },
    async abort() {
      await release();
      if (direct) return;
      // Closed already: the file is whole, but the model that it belongs to is not.
      await rm(state === 'done' ? target : partial, { force: true });
    },
  };
}
