/** Tells one model file from another without reading all of it. */
import type { ByteSource, GgufTensor } from './types.ts';

/** Bytes that are looked at in the middle of each tensor: two fine-tunes of one model differ in nearly all of them. */
const SAMPLE = 64;
/** Of a file's beginning, metadata and descriptions of tensors, at most. */
const MOST_HEAD = 64 * 2 ** 20;

/**
 * SHA-256, as hexadecimal digits, of what stands before the tensors (metadata, names, types, shapes), the sizes of
 * all shards and a sample of every tensor.
 */
export async function fingerprint(
  sources: readonly ByteSource[],
  tensors: Iterable<GgufTensor>,
): Promise<string> {
  const starts = sources.map((source) => Math.min(source.size, MOST_HEAD));
  const samples: Uint8Array[] = [];
  for (const { shard, offset, byteLength } of tensors) {
    starts[shard] = Math.min(starts[shard]!, offset);
    const length = Math.min(SAMPLE, byteLength);
    samples.push(await sources[shard]!.read(offset + Math.floor((byteLength - length) / 2), length));
  }
  const heads = await Promise.all(sources.map((source, i) => source.read(0, starts[i]!)));
  const sizes = new TextEncoder().encode(sources.map((source) => source.size).join());
  const parts = [...heads, sizes, ...samples];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
