/** Sharded models: `name-00001-of-00003.gguf` and its neighbours, found from any one of them. */
import { GgufError } from '../errors.ts';
import { readGguf, type ReadOptions } from './reader.ts';
import type { ByteSource, GgufFile } from './types.ts';

/** How a path or URL becomes bytes: `fileSource`, `httpSource` or a test's own. */
export type OpenSource = (path: string) => Promise<ByteSource>;

export interface ShardName {
  /** All before `-00001-of-00003.gguf`. */
  prefix: string;
  /** From 1, as in the name. */
  number: number;
  count: number;
  /** What follows `.gguf`: the query of a URL, or nothing. */
  suffix: string;
}

const PATTERN = /^(.*)-(\d{5})-of-(\d{5})\.gguf([?#].*)?$/is;

/** Takes a shard's name apart; undefined for the name of a file that stands alone. */
export function parseShardName(path: string): ShardName | undefined {
  const [, prefix, number, count, suffix = ''] = PATTERN.exec(path) ?? [];
  if (prefix === undefined) return undefined;
  const name = { prefix, number: Number(number), count: Number(count), suffix };
  if (name.number < 1 || name.number > name.count) return undefined;
  return name;
}

/** `prefix-00001-of-00003.gguf`; numbers from 1. */
export function shardName(prefix: string, number: number, count: number, suffix = ''): string {
  const digits = (value: number): string => String(value).padStart(5, '0');
  return `${prefix}-${digits(number)}-of-${digits(count)}.gguf${suffix}`;
}

/** Every file of the model that `path` belongs to, in order: itself alone when it is no shard. */
export function listShards(path: string): string[] {
  const name = parseShardName(path);
  if (name === undefined) return [path];
  return Array.from({ length: name.count }, (_, i) => shardName(name.prefix, i + 1, name.count, name.suffix));
}

/**
 * Opens and reads a model from the path or URL of its file, or of any of its shards. Close the result with
 * `closeGguf`; on failure everything opened is closed again.
 *
 * @throws GgufError for a missing shard (whatever `openSource` throws is its cause) or a damaged file
 */
export async function openGguf(
  path: string,
  openSource: OpenSource,
  options: ReadOptions = {},
): Promise<GgufFile> {
  const paths = listShards(path);
  const sources: ByteSource[] = [];
  try {
    for (const shard of paths) {
      sources.push(
        paths.length === 1 ? await openSource(shard) : await openShard(shard, paths.length, openSource),
      );
    }
    return await readGguf(sources, options);
  } catch (error) {
    await Promise.allSettled(sources.map((source) => source.close()));
    throw error;
  }
}

async function openShard(path: string, count: number, openSource: OpenSource): Promise<ByteSource> {
  try {
    return await openSource(path);
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    throw new GgufError(`${error.message} (one of the ${count} shards of the model)`, { cause: error });
  }
}
