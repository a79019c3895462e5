/** Text from the command line, a file or standard input. */
import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NibbleError, UsageError } from '../errors.ts';
import { writeReason } from '../platform/node/write-reason.ts';

/** A file's bytes; `-` is standard input. */
export async function readBytes(path: string): Promise<Uint8Array> {
  if (path === '-') return readStandardInput();
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : code;
    throw new NibbleError('ERR_INPUT', `cannot read ${path}: ${reason}`, { cause: error });
  }
}

/** What the system says of a file that cannot be written, in one line that names it. */
export function cannotWrite(path: string, error: unknown): NibbleError {
  return new NibbleError('ERR_OUTPUT', `cannot write ${path}: ${writeReason(error)}`, { cause: error });
}

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

/** As text; a byte order mark at the beginning is dropped. */
export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

/** All of standard input. */
export async function readStandardInput(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** The one input that was given; a UsageError when there are several. */
export function onlyOne(inputs: Record<string, unknown>): string | undefined {
  const given = Object.keys(inputs).filter((name) => inputs[name] !== undefined);
  if (given.length > 1) throw new UsageError(`give only one of ${given.join(' and ')}`);
  return given[0];
}
