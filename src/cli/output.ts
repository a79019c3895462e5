/** Files that commands write. */
import { constants } from 'node:fs';
import { access, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NibbleError } from '../errors.ts';
import { cannotWrite } from '../platform/node/write-reason.ts';

/**
 * Whether a file can be written under this path, asked before minutes of work that end with it.
 *
 * @throws NibbleError ERR_OUTPUT as cannotWrite
 */
export async function checkWritable(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
  } catch (error) {
    throw cannotWrite(path, error);
  }
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory()) throw new NibbleError('ERR_OUTPUT', `cannot write ${path}: it is a directory`);
}

/**
 * A small file at once.
 *
 * @throws NibbleError ERR_OUTPUT as cannotWrite
 */
export async function writeOutput(path: string, contents: string | Uint8Array): Promise<void> {
  await writeFile(path, contents).catch((error: unknown) => {
    throw cannotWrite(path, error);
  });
}
