/** ByteSources that every host has: memory and Blob. HTTP: http-source.ts; files: src/platform/node. */
import { GgufError } from '../errors.ts';
import { checkRange } from './check-range.ts';
import type { ByteSource } from './types.ts';

/** Bytes in memory. What `read` returns are views of them, not copies. */
export function memorySource(data: ArrayBuffer | Uint8Array, name = 'memory'): ByteSource {
  const bytes =
    data instanceof ArrayBuffer
      ? new Uint8Array(data)
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const source = { name, size: bytes.length };
  return {
    ...source,
    read(offset, length) {
      try {
        checkRange(source, offset, length);
      } catch (error) {
        return Promise.reject(error);
      }
      return Promise.resolve(bytes.subarray(offset, offset + length));
    },
    close: () => Promise.resolve(),
  };
}

/** A Blob or, in the browser, a File that somebody chose. */
export function blobSource(blob: Blob, name = 'blob'): ByteSource {
  const source = { name, size: blob.size };
  return {
    ...source,
    async read(offset, length) {
      checkRange(source, offset, length);
      const bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      if (bytes.length !== length) throw new GgufError(`${name}: changed while it was being read`);
      return bytes;
    },
    close: () => Promise.resolve(),
  };
}

export { httpSource, type HttpSourceOptions } from './http-source.ts';
