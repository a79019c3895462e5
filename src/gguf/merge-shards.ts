/**
 * Several files, one model: the first shard holds the metadata, all hold tensors, and three keys in each say
 * how they belong together: split.no (from 0), split.count, split.tensors.count (of all shards).
 */
import { GgufError } from '../errors.ts';
import { quote } from './cursor.ts';
import type { Shard } from './shard-reader.ts';
import type { GgufFile, GgufTensor } from './types.ts';

/** Joins shards that have been read, in order. Throws a GgufError when they are not one whole model. */
export function mergeShards(shards: readonly Shard[]): GgufFile {
  const first = shards[0]!;
  if (shards.length > 1 || (splitNumber(first, 'split.count') ?? 1) > 1) checkSplit(shards);
  const tensors: GgufTensor[] = [];
  const home = new Map<string, Shard>();
  for (const shard of shards) {
    for (const tensor of shard.tensors) {
      const other = home.get(tensor.name);
      if (other !== undefined) {
        throw new GgufError(
          `${shard.source.name}: duplicate tensor ${quote(tensor.name)}, already in ${other.source.name}`,
        );
      }
      home.set(tensor.name, shard);
      tensors.push(tensor);
    }
  }
  const sources = shards.map((shard) => shard.source);
  return {
    version: first.version,
    alignment: first.alignment,
    metadata: first.metadata,
    valueTypes: first.valueTypes,
    tensors,
    sources,
    byteLength: sources.reduce((bytes, source) => bytes + source.size, 0),
  };
}

function checkSplit(shards: readonly Shard[]): void {
  const first = shards[0]!;
  for (const [index, shard] of shards.entries()) {
    const { name } = shard.source;
    const count = splitNumber(shard, 'split.count');
    const number = splitNumber(shard, 'split.no');
    if (count === undefined || number === undefined) {
      throw new GgufError(`${name}: not a shard: split.count or split.no is missing`);
    }
    if (count !== shards.length) {
      throw new GgufError(
        `${name}: is shard ${number + 1} of ${count}, but ${shards.length} file(s) were given: all shards are needed,` +
          ' named -00001-of-0000N.gguf',
      );
    }
    if (number !== index) {
      throw new GgufError(
        `${name}: split.no is ${number}, but by its name or place it is shard ${index} (from 0)`,
      );
    }
  }
  const expected = splitNumber(first, 'split.tensors.count');
  const found = shards.reduce((sum, shard) => sum + shard.tensors.length, 0);
  if (expected !== undefined && expected !== found) {
    throw new GgufError(
      `${first.source.name}: missing tensor: split.tensors.count is ${expected}, the ${shards.length} shards hold ${found}`,
    );
  }
}

function splitNumber(shard: Shard, key: string): number | undefined {
  const value = shard.metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
    throw new GgufError(`${shard.source.name}: ${key} is not a count`);
  }
  return value;
}
