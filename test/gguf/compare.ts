/** Our reader against two others: @huggingface/gguf on everything, the gguf package on padded copies. */
import { gguf as huggingFace } from '@huggingface/gguf';
import { parseRawMetadata } from 'gguf';
import { appendFile, copyFile, rm, stat } from 'node:fs/promises';
import { expect } from 'vitest';
import { closeGguf, openGguf, type GgufValue } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';

/** What the others make of our values: plain arrays. */
function plain(value: GgufValue): unknown {
  if (typeof value !== 'object') return value;
  return Array.from(value as ArrayLike<GgufValue>, plain);
}

/**
 * Numbers, whatever kind they came as; strings without a byte order mark at the start, which @huggingface/gguf
 * loses (token 31759 of Mistral's vocabulary is one).
 */
function loose(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/^\ufeff/, '');
  if (typeof value === 'bigint') return Number(value);
  return Array.isArray(value) ? value.map(loose) : value;
}

export async function compareWithHuggingFace(path: string): Promise<void> {
  const file = await openGguf(path, fileSource);
  const other = await huggingFace(path, { allowLocalFile: true });
  const { version, tensor_count, kv_count, ...pairs } = other.metadata as unknown as Record<string, unknown>;
  expect(file.version).toBe(version);
  expect(BigInt(file.tensors.length)).toBe(tensor_count);
  expect(BigInt(file.metadata.size)).toBe(kv_count);
  expect([...file.metadata.keys()]).toEqual(Object.keys(pairs));
  for (const [key, value] of file.metadata) {
    // Compared here: expect's report on 150,000 strings would take minutes.
    const same = JSON.stringify(loose(plain(value))) === JSON.stringify(loose(pairs[key]));
    expect(same, key).toBe(true);
  }
  expect(file.tensors.map(({ name, shape, type, offset }) => ({ name, shape, type, offset }))).toEqual(
    other.tensorInfos.map((info) => ({
      name: info.name,
      shape: info.shape.map(Number),
      type: info.dtype,
      offset: Number(info.offset + other.tensorDataOffset),
    })),
  );
  await closeGguf(file);
}

/** The gguf package reads in whole chunks of 10 MB: `scratch` becomes a copy that is a multiple of that. */
export async function compareWithGgufPackage(path: string, scratch: string): Promise<void> {
  const CHUNK = 10 * 1024 * 1024;
  const { size } = await stat(path);
  await copyFile(path, scratch);
  await appendFile(scratch, new Uint8Array(CHUNK - (size % CHUNK)));
  const { metadata, error } = (await parseRawMetadata(scratch)) as {
    metadata?: Record<string, unknown>;
    error?: Error | null;
  };
  expect(error ?? null).toBeNull();
  // A padded file is as valid for us as the plain one.
  const file = await openGguf(scratch, fileSource);
  for (const [key, value] of file.metadata) {
    // It makes "a.b.c" a path through objects.
    let found = key
      .split('.')
      .reduce<unknown>((node, part) => (node as Record<string, unknown>)?.[part], metadata);
    if (file.valueTypes?.get(key) === 'f64') found = swapBytes(found as number);
    expect(JSON.stringify(loose(found)) === JSON.stringify(loose(plain(value))), key).toBe(true);
  }
  await closeGguf(file);
  await rm(scratch);
}

/** The gguf package (1.0.7) reads f64 in the wrong byte order. */
function swapBytes(value: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getFloat64(0, true);
}
