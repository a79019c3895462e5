/** A folder for a report's passing files. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cannotWrite } from '../../src/platform/node/write-reason.ts';

/**
 * Makes a folder in `parent` that is gone afterwards, with all that is in it, whatever happens.
 *
 * @throws NibbleError ERR_OUTPUT when there is no such parent, or it may not be written to
 */
export async function withWorkFolder<T>(parent: string, run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(parent, 'nibble-report-')).catch((error: unknown) => {
    throw cannotWrite(parent, error);
  });
  try {
    return await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
