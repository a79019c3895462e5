/** The same answers as other GGUF readers, on llama.cpp's files and on our own writer's. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  closeGguf,
  copyMetadata,
  openGguf,
  readTensor,
  typed,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  u16,
  u32,
  u64,
  u8,
} from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { compareWithGgufPackage, compareWithHuggingFace } from './compare.ts';
import { build, f32Tensor, pairs } from './helpers.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/gguf', import.meta.url));
const names = (await readdir(FIXTURES)).filter((name) => name.endsWith('.gguf'));

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'nibble-gguf-'));
  const metadata = pairs({
    'general.architecture': 'llama',
    'general.name': 'ours',
    'x.u8': u8(200),
    'x.i8': i8(-100),
    'x.u16': u16(60000),
    'x.i16': i16(-30000),
    'x.u32': u32(4e9),
    'x.i32': i32(-2e9),
    'x.u64': u64(2n ** 40n),
    'x.i64': i64(-(2n ** 40n)),
    'x.f32': f32(1e-5),
    'x.f64': f64(1e-5),
    'x.bool': true,
    'x.list': ['a', 'ä', '日本'],
    'x.floats': typed('f32[]', [0.5, 1]),
    'x.bools': [true, false],
  });
  await writeFile(
    join(scratch, 'ours.gguf'),
    await build({ metadata, tensors: [f32Tensor('t', [1, 2, 3, 4], [2, 2])] }),
  );
});
afterAll(() => rm(scratch, { recursive: true }));

describe.each([...names.map((name) => join(FIXTURES, name)), 'ours'])('%s', (name) => {
  const path = (): string => (name === 'ours' ? join(scratch, 'ours.gguf') : name);

  it('is to us what it is to @huggingface/gguf', () => compareWithHuggingFace(path()));
  it('has the metadata that the gguf package finds', () =>
    compareWithGgufPackage(path(), join(scratch, 'padded.gguf')));

  it('comes out of our writer byte for byte', async () => {
    const file = await openGguf(path(), fileSource);
    const copy = await build({
      metadata: copyMetadata(file),
      tensors: file.tensors.map((tensor) => ({ ...tensor, data: () => readTensor(file, tensor) })),
    });
    const original = await file.sources[0]!.read(0, file.sources[0]!.size);
    expect(Buffer.compare(copy, original)).toBe(0);
    await closeGguf(file);
  });
});
