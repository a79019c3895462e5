import { describe, expect, it } from 'vitest';
import { GgufError } from '../../src/errors.ts';
import {
  listShards,
  memorySink,
  memorySource,
  openGguf,
  parseShardName,
  readGguf,
  readTensor,
  saveGguf,
  u16,
  u32,
  type ByteSource,
  type MemorySink,
  type WritableGguf,
} from '../../src/gguf/index.ts';
import { build, f32Tensor, pairs } from './helpers.ts';

describe('shard names', () => {
  it('are taken apart and listed', () => {
    expect(parseShardName('dir/model-00002-of-00003.gguf')).toEqual({
      prefix: 'dir/model',
      number: 2,
      count: 3,
      suffix: '',
    });
    const list = ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'];
    expect(listShards('m-00002-of-00002.gguf')).toEqual(list);
    expect(listShards('m-00001-of-00002.gguf?download=true')).toEqual(
      list.map((name) => `${name}?download=true`),
    );
    expect(listShards('model.gguf')).toEqual(['model.gguf']);
    expect(parseShardName('m-00003-of-00002.gguf')).toBeUndefined();
    expect(parseShardName('m-00000-of-00002.gguf')).toBeUndefined();
  });
});

const MODEL: WritableGguf = {
  metadata: pairs({ 'general.name': 'sharded', 'a.count': u32(7) }),
  tensors: Array.from({ length: 7 }, (_, i) =>
    f32Tensor(
      `t${i}`,
      Array.from({ length: 64 }, () => i),
    ),
  ),
};

/** A disk in memory. */
class Disk {
  readonly files = new Map<string, MemorySink>();
  closed = 0;
  readonly write = (path: string): Promise<MemorySink> => {
    const sink = memorySink(path);
    this.files.set(path, sink);
    return Promise.resolve({ ...sink, abort: () => (this.files.delete(path), Promise.resolve()) });
  };
  readonly open = (path: string): Promise<ByteSource> => {
    const sink = this.files.get(path);
    if (sink === undefined) return Promise.reject(new GgufError(`${path}: no such file`));
    const close = (): Promise<void> => (this.closed++, Promise.resolve());
    return Promise.resolve({ ...memorySource(sink.bytes(), path), close });
  };
}

describe('a sharded model', () => {
  it('is written in files of limited size and read as one, from any of them', async () => {
    const disk = new Disk();
    const paths = await saveGguf('m.gguf', disk.write, MODEL, { maxShardBytes: 900 });
    expect(paths.length).toBeGreaterThan(2);
    for (const path of paths) expect(disk.files.get(path)!.bytes().length).toBeLessThanOrEqual(900);
    for (const path of [paths[0]!, paths.at(-1)!]) {
      const file = await openGguf(path, disk.open);
      expect(file.sources.map((source) => source.name)).toEqual(paths);
      expect(file.tensors.map((tensor) => tensor.name)).toEqual(MODEL.tensors.map((tensor) => tensor.name));
      expect(file.metadata.get('a.count')).toBe(7);
      expect(file.metadata.get('split.count')).toBe(paths.length);
      expect(file.byteLength).toBe(file.sources.reduce((sum, source) => sum + source.size, 0));
      for (const [i, tensor] of file.tensors.entries()) {
        const data = await readTensor(file, tensor);
        expect(new Float32Array(data.slice().buffer)).toEqual(new Float32Array(64).fill(i));
      }
    }
  });

  it('is one plain file where it fits', async () => {
    const disk = new Disk();
    expect(await saveGguf('m.gguf', disk.write, MODEL, { maxShardBytes: 1e6 })).toEqual(['m.gguf']);
    expect((await openGguf('m.gguf', disk.open)).metadata.has('split.count')).toBe(false);
  });

  it('leaves nothing behind when writing fails', async () => {
    const disk = new Disk();
    const broken = {
      ...MODEL,
      tensors: [...MODEL.tensors.slice(0, 5), { ...MODEL.tensors[5]!, data: new Uint8Array(3) }],
    };
    await expect(saveGguf('m.gguf', disk.write, broken, { maxShardBytes: 900 })).rejects.toThrow('"t5"');
    expect(disk.files.size).toBe(0);
  });

  it('says which shard is missing, and closes the others', async () => {
    const disk = new Disk();
    const paths = await saveGguf('m.gguf', disk.write, MODEL, { maxShardBytes: 900 });
    disk.files.delete(paths[1]!);
    await expect(openGguf(paths[0]!, disk.open)).rejects.toThrow(
      `${paths[1]}: no such file (one of the ${paths.length} shards of the model)`,
    );
    expect(disk.closed).toBe(1);
  });

  it('needs all shards, in order, once', async () => {
    const disk = new Disk();
    const paths = await saveGguf('m.gguf', disk.write, MODEL, { maxShardBytes: 900 });
    const sources = await Promise.all(paths.map(disk.open));
    await expect(readGguf(sources[0]!)).rejects.toThrow(
      `is shard 1 of ${paths.length}, but 1 file(s) were given`,
    );
    await expect(readGguf([sources[1]!, sources[0]!, ...sources.slice(2)])).rejects.toThrow('split.no is 1');
    await expect(readGguf([])).rejects.toThrow('no GGUF file given');
  });

  it('has every tensor once and all of them', async () => {
    const split = (no: number, total: number): [string, ReturnType<typeof u16>][] => [
      ['split.no', u16(no)],
      ['split.count', u16(2)],
      ['split.tensors.count', u16(total)],
    ];
    const shard = async (no: number, name: string, total: number): Promise<ByteSource> =>
      memorySource(
        await build({ metadata: new Map(split(no, total)), tensors: [f32Tensor(name, [1])] }),
        `s${no}`,
      );
    await expect(readGguf([await shard(0, 'a', 3), await shard(1, 'b', 3)])).rejects.toThrow(
      's0: missing tensor: split.tensors.count is 3, the 2 shards hold 2',
    );
    await expect(readGguf([await shard(0, 'a', 2), await shard(1, 'a', 2)])).rejects.toThrow(
      's1: duplicate tensor "a", already in s0',
    );
    const plain = memorySource(await build({}), 'plain');
    await expect(readGguf([plain, plain])).rejects.toThrow('plain: not a shard');
  });
});
