/** Checkpoint folders for tests, written from plain values. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { memorySource } from '../../../src/gguf/sources.ts';
import type { ByteSource } from '../../../src/gguf/types.ts';
import { normals, random } from '../../kernels/twins/numbers.ts';

export interface TestTensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** A folder that is gone after the tests of this file. */
export const scratch = mkdtempSync(join(tmpdir(), 'nibble-convert-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

export function floats(shape: number[], values: ArrayLike<number>): TestTensor {
  return { dtype: 'F32', shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

/** Values that differ from tensor to tensor and from run to run not at all. */
export function randomFloats(shape: number[], seed: number): TestTensor {
  return floats(shape, normals(product(shape), random(seed)));
}

export function words(shape: number[], values: ArrayLike<number>): TestTensor {
  return { dtype: 'I32', shape, bytes: new Uint8Array(Int32Array.from(values).buffer) };
}

export const product = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** The bytes of a safetensors file. */
export function safetensors(tensors: Readonly<Record<string, TestTensor>>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, (at += bytes.length)] };
  }
  return withHeader(
    JSON.stringify(header),
    Object.values(tensors).map(({ bytes }) => bytes),
  );
}

/** Any header with any data behind it. */
export function withHeader(header: string, data: readonly Uint8Array[] = []): Uint8Array {
  const text = new TextEncoder().encode(header);
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, BigInt(text.length), true);
  return new Uint8Array(Buffer.concat([size, text, ...data]));
}

export const sourceOf = (bytes: Uint8Array): ByteSource => memorySource(bytes, 'test.safetensors');

/** Writes config.json and model.safetensors, and files by name; gives back the folder. */
export function writeCheckpoint(
  config: object,
  tensors: Readonly<Record<string, TestTensor>>,
  files: Readonly<Record<string, string | Uint8Array>> = {},
): string {
  const folder = mkdtempSync(join(scratch, 'checkpoint-'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'model.safetensors'), safetensors(tensors));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}
