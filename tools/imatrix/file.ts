/**
 * Files of importance matrices, as llama-imatrix writes them.
 *
 * GGUF: general.type "imatrix", imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size; for each matrix W, in the
 * order of names, `W.in_sum2` [columns, parts] and `W.counts` [1, parts], both f32. Newer files also have `W.in_sum`.
 *
 * The older .dat, little-endian: i32 entries; for each i32 length, name, i32 calls, i32 values, f32 values: mean squares
 * times calls; then, where it was written, i32 chunks, i32 length, name of the text.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { GgufError, NibbleError } from '../../src/errors.ts';
import {
  closeGguf,
  findTensor,
  findNumber,
  openGguf,
  readTensor,
  saveGguf,
  typed,
  u32,
  type GgufFile,
  type GgufTensor,
  type WritableTensor,
  type WritableValue,
} from '../../src/gguf/index.ts';
import { fileSink } from '../../src/platform/node/file-sink.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import type { Imatrix, ImatrixEntry } from './imatrix.ts';

const SQUARES = '.in_sum2';
const COUNTS = '.counts';
const F32 = 0;
/** No importance matrix is as large: a line per column of a model. */
const MOST_BYTES = 2 ** 30;
const NAME_BYTES = 1024;

/**
 * Reads either kind of file.
 *
 * @throws GgufError or NibbleError ERR_INPUT for a file that is none, is damaged or holds numbers that are not finite
 */
export async function readImatrix(path: string): Promise<Imatrix> {
  const magic = await firstBytes(path);
  const imatrix = magic === 'GGUF' ? await readNew(path) : await readOld(path);
  for (const [name, { squares, counts }] of imatrix.entries) {
    const fine = (value: number): boolean => Number.isFinite(value) && value >= 0;
    if (!squares.every(fine) || !counts.every(fine)) {
      throw invalid(path, `the numbers of ${name} are not finite and positive`);
    }
  }
  if (imatrix.entries.size === 0) throw invalid(path, 'it holds no importance matrix');
  return imatrix;
}

function invalid(path: string, why: string, cause?: unknown): NibbleError {
  return new NibbleError('ERR_INPUT', `${path}: ${why}`, { cause });
}

async function firstBytes(path: string): Promise<string> {
  const source = await fileSource(path);
  try {
    if (source.size > MOST_BYTES) throw invalid(path, 'it is too large for an importance matrix');
    return source.size < 4 ? '' : Buffer.from(await source.read(0, 4)).toString('latin1');
  } finally {
    await source.close();
  }
}

async function readNew(path: string): Promise<Imatrix> {
  const file = await openGguf(path, fileSource);
  try {
    if (file.metadata.get('general.type') !== 'imatrix') {
      throw invalid(path, 'it is a GGUF file, but no importance matrix (nibble imatrix makes one)');
    }
    const entries = new Map<string, ImatrixEntry>();
    for (const tensor of file.tensors) {
      if (!tensor.name.endsWith(SQUARES)) continue;
      const name = tensor.name.slice(0, -SQUARES.length);
      const counts = findTensor(file, name + COUNTS);
      if (!counts) throw invalid(path, `${name}${COUNTS} is missing`);
      const [columns = 0, parts = 1] = tensor.shape;
      const entry = { squares: await readF32(file, tensor), counts: await readF32(file, counts) };
      if (entry.squares.length !== columns * parts || entry.counts.length !== parts) {
        throw invalid(path, `${tensor.name} and its counts do not fit each other`);
      }
      entries.set(name, entry);
    }
    const datasets = file.metadata.get('imatrix.datasets');
    return {
      name: basename(path),
      entries,
      datasets: Array.isArray(datasets) ? datasets.map(String) : [],
      chunks: findNumber(file.metadata, 'imatrix.chunk_count') ?? 0,
      chunkSize: findNumber(file.metadata, 'imatrix.chunk_size') ?? 0,
    };
  } finally {
    await closeGguf(file);
  }
}

async function readF32(file: GgufFile, tensor: GgufTensor): Promise<Float32Array> {
  if (tensor.type !== F32) throw new GgufError(`${file.sources[0]!.name}: ${tensor.name} is not F32`);
  const bytes = await readTensor(file, tensor);
  return new Float32Array(bytes.slice().buffer);
}

async function readOld(path: string): Promise<Imatrix> {
  if ((await stat(path)).size < 4) throw invalid(path, 'it is no importance matrix: too short');
  const bytes = await readFile(path);
  let at = 0;
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > bytes.length) {
      throw invalid(path, 'it is no importance matrix, or was cut');
    }
    at += length;
    return bytes.subarray(at - length, at);
  };
  const i32 = (): number => take(4).readInt32LE();
  const text = (): string => {
    const length = i32();
    if (length > NAME_BYTES) throw invalid(path, 'it is no importance matrix, or was cut');
    return take(length).toString();
  };
  const entries = new Map<string, ImatrixEntry>();
  const count = i32();
  for (let i = 0; i < count; i++) {
    const name = text();
    const calls = i32();
    const values = Buffer.from(take(4 * i32()));
    const squares = Float32Array.from({ length: values.length / 4 }, (_, k) => values.readFloatLE(4 * k));
    entries.set(name, { squares, counts: Float32Array.of(calls > 0 ? calls : 1) });
  }
  const rest = at < bytes.length;
  const chunks = rest ? i32() : 0;
  const datasets = rest && at < bytes.length ? [text()] : [];
  return { name: basename(path), entries, datasets, chunks, chunkSize: 0 };
}

/** Writes the GGUF form; the file appears when it is whole. */
export async function writeImatrix(path: string, imatrix: Imatrix): Promise<void> {
  const names = [...imatrix.entries.keys()].sort((a, b) => (a < b ? -1 : 1));
  const tensors = names.flatMap((name): WritableTensor[] => {
    const { squares, counts } = imatrix.entries.get(name)!;
    const parts = counts.length;
    return [
      { name: name + SQUARES, type: F32, shape: [squares.length / parts, parts], data: squares },
      { name: name + COUNTS, type: F32, shape: [1, parts], data: counts },
    ];
  });
  const metadata = new Map<string, WritableValue>([
    ['general.type', 'imatrix'],
    ['imatrix.datasets', typed('string[]', imatrix.datasets)],
    ['imatrix.chunk_count', u32(imatrix.chunks)],
    ['imatrix.chunk_size', u32(imatrix.chunkSize)],
  ]);
  await saveGguf(path, fileSink, { metadata, tensors });
}
