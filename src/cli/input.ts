/** Text from the command line, a file or standard input. */
import { readFile } from 'node:fs/promises';
import { UsageError } from '../errors.ts';
import { cannotRead } from '../platform/node/read-reason.ts';

/** A file's bytes; `-` is standard input. */
export async function readBytes(path: string): Promise<Uint8Array> {
  if (path === '-') return readStandardInput();
  try {
    return await readFile(path);
  } catch (error) {
    throw cannotRead(path, error);
  }
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
