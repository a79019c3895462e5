import { GgufError } from '../errors.ts';
import type { ByteSource } from './types.ts';

/** Throws a GgufError unless `length` bytes from `offset` are inside the source. */
export function checkRange(source: Pick<ByteSource, 'name' | 'size'>, offset: number, length: number): void {
  const sane = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!sane || offset + length > source.size) {
    throw new GgufError(
      `${source.name}: cannot read ${length} bytes at ${offset}: the file has ${source.size} bytes`,
    );
  }
}
