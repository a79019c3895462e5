/** Saves a model under a path: as one file, or as shards of limited size. */
import { GgufError } from '../errors.ts';
import { LIMITS } from './limits.ts';
import { shardName } from './shards.ts';
import type { ByteSink } from './sinks.ts';
import { tensorBytes } from './tensor-types.ts';
import { i32, u16, type WritableValue } from './writable.ts';
import {
  alignmentOf,
  headerBytes,
  writeGguf,
  type WritableGguf,
  type WritableTensor,
  type WriteOptions,
} from './writer.ts';

/** How a path becomes a sink: `fileSink`, or a test's own. */
export type OpenSink = (path: string) => Promise<ByteSink>;

export interface SaveOptions extends WriteOptions {
  /**
   * Most bytes of a file. A model that needs more becomes shards -00001-of-0000N.gguf, unless one tensor alone
   * is larger: tensors are not cut. Default: one file.
   */
  maxShardBytes?: number;
}

/**
 * Writes a model to `path` (ends in `.gguf`) and gives back the paths of the files. Every file becomes visible
 * only after all have been written; when anything fails, nothing is left behind.
 */
export async function saveGguf(
  path: string,
  openSink: OpenSink,
  model: WritableGguf,
  options: SaveOptions = {},
): Promise<string[]> {
  const shards = await planShards(model, options.maxShardBytes ?? Infinity);
  const paths = shardPaths(path, shards.length);
  const sinks: ByteSink[] = [];
  let before = 0;
  try {
    for (const [i, shard] of shards.entries()) {
      const sink = await openSink(paths[i]!);
      sinks.push(sink);
      before += await writeGguf(sink, shard, {
        ...options,
        onProgress: (bytes) => options.onProgress?.(before + bytes),
      });
    }
    for (const sink of sinks) await sink.close();
    return paths;
  } catch (error) {
    await Promise.allSettled(sinks.map((sink) => sink.abort()));
    throw error;
  }
}

/** The files that saving would write, and their sizes in bytes: for a look at the result, and for free space. */
export async function plannedFiles(
  path: string,
  model: WritableGguf,
  maxShardBytes = Infinity,
): Promise<{ path: string; bytes: number }[]> {
  const shards = await planShards(model, maxShardBytes);
  const paths = shardPaths(path, shards.length);
  const files = [];
  for (const [i, shard] of shards.entries()) {
    const alignment = alignmentOf(shard);
    const padded = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
    const data = shard.tensors.reduce((sum, { type, shape }) => sum + padded(tensorBytes(type, shape)), 0);
    files.push({ path: paths[i]!, bytes: padded(await headerBytes(shard)) + data });
  }
  return files;
}

function shardPaths(path: string, count: number): string[] {
  if (count === 1) return [path];
  if (!path.endsWith('.gguf')) throw new GgufError(`${path}: the name of a sharded model must end in .gguf`);
  const prefix = path.slice(0, -'.gguf'.length);
  return Array.from({ length: count }, (_, i) => shardName(prefix, i + 1, count));
}

/** Fills one file after the other with tensors, in order. The metadata go into the first, as llama.cpp's do. */
async function planShards(model: WritableGguf, maxBytes: number): Promise<WritableGguf[]> {
  if (!(maxBytes > 0)) throw new GgufError(`shards of ${maxBytes} bytes are not possible`);
  const alignment = alignmentOf(model);
  const padded = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
  const withKeys = (
    metadata: WritableGguf['metadata'],
    no: number,
    count: number,
  ): Map<string, WritableValue> =>
    new Map<string, WritableValue>([
      ...metadata,
      ['split.no', u16(no)],
      ['split.count', u16(count)],
      ['split.tensors.count', i32(model.tensors.length)],
    ]);

  // Headers are measured without tensors; each tensor adds its list entry and its padded data.
  const plain = { ...model, alignment };
  const headerOf = (metadata: Map<string, WritableValue>): Promise<number> =>
    headerBytes({ metadata, tensors: [], alignment });
  if (maxBytes === Infinity) return [plain];

  const groups: WritableTensor[][] = [[]];
  const otherHeader = await headerOf(withKeys(new Map(), 0, 1));
  let header = await headerOf(withKeys(model.metadata, 0, 1));
  let data = 0;
  for (const tensor of model.tensors) {
    const entry = 24 + new TextEncoder().encode(tensor.name).length + 8 * tensor.shape.length;
    const bytes = padded(tensorBytes(tensor.type, tensor.shape));
    const fits = padded(header + entry) + data + bytes <= maxBytes;
    // The first shard may be metadata alone, the others hold at least one tensor.
    if (!fits && (groups.length === 1 || groups.at(-1)!.length > 0)) {
      groups.push([]);
      header = otherHeader;
      data = 0;
    }
    groups.at(-1)!.push(tensor);
    header += entry;
    data += bytes;
  }
  if (groups.length === 1) return [plain];
  if (groups.length > LIMITS.splitCount) {
    throw new GgufError(`${groups.length} shards of ${maxBytes} bytes are more than ${LIMITS.splitCount}`);
  }
  return groups.map((tensors, i) => ({
    metadata: withKeys(i === 0 ? model.metadata : new Map(), i, groups.length),
    tensors,
    alignment,
  }));
}
