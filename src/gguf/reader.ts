/** Reads GGUF: from one ByteSource, or from all shards of a model, into one GgufFile. See shard-reader.ts. */
import { GgufError } from '../errors.ts';
import { mergeShards } from './merge-shards.ts';
import { readShard, type Shard } from './shard-reader.ts';
import type { ByteSource, GgufFile } from './types.ts';

export interface ReadOptions {
  /** Stops the reading; it then throws an AbortedError. */
  signal?: AbortSignal;
}

/**
 * Reads header, metadata and tensor list, and checks all of it against the size of the source; no tensor data
 * are read. Memory: what the metadata take and a window of at most 4 MB (or the largest single value).
 *
 * The sources belong to the caller, before and after: on failure none is closed.
 *
 * @param source one file, or every shard of a model in order
 * @throws GgufError that names file, place and problem
 */
export async function readGguf(
  source: ByteSource | readonly ByteSource[],
  options: ReadOptions = {},
): Promise<GgufFile> {
  const sources = 'read' in source ? [source] : source;
  if (sources.length === 0) throw new GgufError('no GGUF file given');
  const shards: Shard[] = [];
  for (const [index, one] of sources.entries()) shards.push(await readShard(one, index, options.signal));
  return mergeShards(shards);
}

/** Closes every source of a file. */
export async function closeGguf(file: GgufFile): Promise<void> {
  await Promise.all(file.sources.map((source) => source.close()));
}
