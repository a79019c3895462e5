/** Several texts for one run: arguments, or the lines of a file. */
import { UsageError } from '../errors.ts';
import { onlyOne, readText } from './input.ts';

/**
 * The texts in order. A file has one per line; empty lines are none.
 *
 * @throws UsageError where there is no text, or both kinds
 */
export async function readTexts(texts: readonly string[], file: string | undefined): Promise<string[]> {
  const fromPipe = texts.length === 1 && texts[0] === '-';
  onlyOne({ TEXT: texts.length > 0 ? texts : undefined, '--file': file });
  const path = fromPipe ? '-' : file;
  const found =
    path === undefined ? [...texts] : (await readText(path)).split(/\r?\n/).filter((line) => line !== '');
  if (found.length === 0) {
    throw new UsageError(
      'no text: give one or more as arguments, with -f FILE (one per line), or - and a pipe',
    );
  }
  return found;
}

/** Parts of a long list, so that results appear as they are made. */
export function* portions<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size);
}
