/** Files on disk: the source, the sink, and what they say when something is wrong. */
import {
  chmod,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeGguf, openGguf, saveGguf, u32 } from '../../src/gguf/index.ts';
import { fileSink } from '../../src/platform/node/file-sink.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { f32Tensor, pairs } from './helpers.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nibble-gguf-'));
});
afterAll(() => rm(directory, { recursive: true }));

const MODEL = { metadata: pairs({ a: u32(3) }), tensors: [f32Tensor('t', [1, 2]), f32Tensor('u', [3])] };

describe('fileSource', () => {
  it('reads parts of a file', async () => {
    const path = join(directory, 'bytes');
    await writeFile(path, Uint8Array.of(1, 2, 3, 4));
    const source = await fileSource(path);
    expect(source.size).toBe(4);
    expect(await source.read(1, 2)).toEqual(Uint8Array.of(2, 3));
    await expect(source.read(3, 2)).rejects.toThrow(
      `${path}: cannot read 2 bytes at 3: the file has 4 bytes`,
    );
    await truncate(path, 2);
    await expect(source.read(0, 4)).rejects.toThrow('became shorter');
    await source.close();
    await source.close();
    await expect(source.read(0, 1)).rejects.toThrow('is closed already');
  });

  it('says what is wrong with the path', async () => {
    const missing = join(directory, 'missing.gguf');
    await expect(fileSource(missing)).rejects.toThrow(`${missing}: no such file`);
    await expect(fileSource(directory)).rejects.toThrow(`${directory}: is a directory`);
    await expect(fileSource(join(directory, 'bytes', 'x'))).rejects.toThrow(
      'part of the path is not a directory',
    );
  });

  // root may read everything.
  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'says that it may not read',
    async () => {
      const path = join(directory, 'secret');
      await writeFile(path, 'x');
      await chmod(path, 0o000);
      await expect(fileSource(path)).rejects.toThrow(`${path}: no permission to read it`);
    },
  );
});

describe('fileSink', () => {
  it('makes a file visible when it is whole', async () => {
    const path = join(directory, 'sunk');
    await writeFile(path, 'old');
    const sink = await fileSink(path);
    await sink.write(Uint8Array.of(0x68, 0x69));
    expect(await readFile(path, 'utf8')).toBe('old');
    await sink.close();
    expect(await readFile(path, 'utf8')).toBe('hi');
  });

  it('leaves nothing behind when it is aborted', async () => {
    const before = await readdir(directory);
    const sink = await fileSink(join(directory, 'aborted'));
    await sink.write(new Uint8Array(100));
    await sink.abort();
    expect(await readdir(directory)).toEqual(before);
    await expect(fileSink(join(directory, 'no', 'file'))).rejects.toThrow('cannot be written');
  });

  it.skipIf(process.platform === 'win32')(
    'writes to what is behind a link, and to a device as it is',
    async () => {
      const [path, link] = [join(directory, 'real'), join(directory, 'link')];
      await writeFile(path, 'old');
      await symlink(path, link);
      const sink = await fileSink(link);
      await sink.write(Uint8Array.of(0x68, 0x69));
      await sink.close();
      expect(await readFile(path, 'utf8')).toBe('hi');
      expect(await readlink(link)).toBe(path);
      const device = await fileSink(devNull);
      await device.write(new Uint8Array(100));
      await device.close();
      expect((await stat(devNull)).isFile()).toBe(false);
    },
  );

  it.each([Infinity, 300])('saves a model in files of at most %s bytes', async (maxShardBytes) => {
    const paths = await saveGguf(join(directory, 'm.gguf'), fileSink, MODEL, { maxShardBytes });
    const file = await openGguf(paths[0]!, fileSource);
    expect(file.tensors.map((tensor) => tensor.name)).toEqual(['t', 'u']);
    expect(file.sources.length).toBe(paths.length);
    await closeGguf(file);
  });
});
