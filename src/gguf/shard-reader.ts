/**
 * One GGUF file, versions 2 and 3, as its bytes go:
 *
 *     "GGUF" | u32 version | u64 tensor count | u64 pair count
 *     pairs:    string key | u32 value type | value                 (string: u64 length, bytes)
 *     tensors:  string name | u32 dimensions | u64 each | u32 type | u64 offset
 *     padding to the alignment | tensor data, every offset relative to here
 *
 * What it takes for granted: nothing. Every number is checked before it is used.
 */
import { GgufError } from '../errors.ts';
import { Cursor, quote } from './cursor.ts';
import { LIMITS } from './limits.ts';
import { rowBytes, TENSOR_TYPES, typeLabel } from './tensor-types.ts';
import type { ByteSource, GgufTensor, GgufValue } from './types.ts';
import type { ValueType } from './value-types.ts';
import { newBudget, readValue } from './values.ts';

/** "GGUF" and, from a big-endian writer, "FUGG", read as little-endian u32. */
const MAGIC = 0x4655_4747;
const MAGIC_SWAPPED = 0x4747_5546;
const DEFAULT_ALIGNMENT = 32;
/** The fewest bytes of a pair (8 + 1 key, 4 type, 1 value) and of a tensor (8 + 1 name, 4, 8, 4, 8). */
const MIN_PAIR = 14;
const MIN_TENSOR = 25;

export interface Shard {
  source: ByteSource;
  version: number;
  alignment: number;
  metadata: Map<string, GgufValue>;
  valueTypes: Map<string, ValueType>;
  tensors: GgufTensor[];
}

/** Reads and checks one file; its tensors get `shard` as their source index. */
export async function readShard(source: ByteSource, shard: number, signal?: AbortSignal): Promise<Shard> {
  const cursor = new Cursor(source, signal);
  const version = await readVersion(cursor);
  await cursor.need(16);
  const tensorCount = cursor.size('tensor count');
  const pairCount = cursor.size('metadata count');
  checkCount(cursor, 'tensors', tensorCount, MIN_TENSOR, LIMITS.tensors);
  checkCount(cursor, 'metadata pairs', pairCount, MIN_PAIR, LIMITS.metadataPairs);

  const { metadata, valueTypes } = await readMetadata(cursor, pairCount);
  const alignment = readAlignment(cursor, metadata);
  const tensors = await readTensorList(cursor, tensorCount, shard);
  locateTensors(cursor, tensors, alignment);
  return { source, version, alignment, metadata, valueTypes, tensors };
}

async function readVersion(cursor: Cursor): Promise<number> {
  await cursor.need(8);
  const magic = cursor.u32();
  const version = cursor.u32();
  // A big-endian version 3 reads as 3 << 24.
  if (magic === MAGIC_SWAPPED || (magic === MAGIC && version !== 0 && (version & 0xffff) === 0)) {
    throw cursor.fail('this is a big-endian GGUF file; nibble reads little-endian ones: convert it again');
  }
  if (magic !== MAGIC) {
    throw cursor.fail(`not a GGUF file: it begins with 0x${magic.toString(16).padStart(8, '0')}, not "GGUF"`);
  }
  if (version === 1) {
    throw cursor.fail('GGUF version 1 (2023) is not supported: convert the model again, or update the file');
  }
  if (version !== 2 && version !== 3)
    throw cursor.fail(`GGUF version ${version} is unknown: 2 and 3 are read`);
  return version;
}

function checkCount(cursor: Cursor, what: string, count: number, minBytes: number, limit: number): void {
  if (count * minBytes > cursor.remaining) {
    throw cursor.fail(
      `the file is truncated: ${count} ${what} do not fit in the ${cursor.remaining} bytes left`,
    );
  }
  if (count > limit) throw cursor.fail(`${count} ${what} are more than the limit of ${limit}`);
}

async function readMetadata(
  cursor: Cursor,
  count: number,
): Promise<{ metadata: Map<string, GgufValue>; valueTypes: Map<string, ValueType> }> {
  const metadata = new Map<string, GgufValue>();
  const valueTypes = new Map<string, ValueType>();
  const budget = newBudget();
  for (let i = 0; i < count; i++) {
    cursor.reading = `key of metadata pair ${i + 1} of ${count}`;
    const key = await cursor.string(LIMITS.keyBytes, 'key');
    if (key === '') throw cursor.fail('empty key');
    if (metadata.has(key)) throw cursor.fail(`duplicate key ${quote(key)}`);
    cursor.reading = `value of ${quote(key)}`;
    const { type, value } = await readValue(cursor, budget);
    metadata.set(key, value);
    valueTypes.set(key, type);
    if (i % 64 === 0) await cursor.rest();
  }
  return { metadata, valueTypes };
}

function readAlignment(cursor: Cursor, metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (
    typeof alignment !== 'number' ||
    !Number.isInteger(alignment) ||
    alignment < 1 ||
    alignment > LIMITS.alignment ||
    (alignment & (alignment - 1)) !== 0
  ) {
    throw cursor.fail(
      `general.alignment ${quote(String(alignment))} is not a power of two up to ${LIMITS.alignment}`,
    );
  }
  return alignment;
}

/** The tensor list; offsets still relative to the data section. */
async function readTensorList(cursor: Cursor, count: number, shard: number): Promise<GgufTensor[]> {
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    cursor.reading = `name of tensor ${i + 1} of ${count}`;
    const name = await cursor.string(LIMITS.tensorNameBytes, 'tensor name');
    if (name === '') throw cursor.fail('empty tensor name');
    if (names.has(name)) throw cursor.fail(`duplicate tensor ${quote(name)}`);
    names.add(name);
    cursor.reading = `tensor ${quote(name)}`;
    tensors.push(await readTensorInfo(cursor, name, shard));
    if (i % 64 === 0) await cursor.rest();
  }
  return tensors;
}

async function readTensorInfo(cursor: Cursor, name: string, shard: number): Promise<GgufTensor> {
  await cursor.need(4);
  const dimensions = cursor.u32();
  if (dimensions > LIMITS.dimensions) {
    throw cursor.fail(`${dimensions} dimensions; at most ${LIMITS.dimensions} are allowed`);
  }
  await cursor.need(dimensions * 8 + 12);
  const shape: number[] = [];
  for (let d = 0; d < dimensions; d++) shape.push(cursor.size(`dimension ${d}`));
  // ggml reads a tensor without dimensions as one number.
  if (dimensions === 0) shape.push(1);
  const type = cursor.u32();
  const offset = cursor.size('tensor offset');
  return { name, type, shape, shard, offset, byteLength: byteLength(cursor, type, shape) };
}

function byteLength(cursor: Cursor, type: number, shape: readonly number[]): number {
  const row = TENSOR_TYPES.get(type);
  if (row === undefined) throw cursor.fail(`unknown tensor type: ${typeLabel(type)}`);
  const text = `shape [${shape.join(', ')}]`;
  if (shape.includes(0)) throw cursor.fail(`${text} has an empty dimension`);
  // Products of safe integers stay comparable as doubles: too large a product is too large, if inexact.
  const elements = shape.reduce((product, size) => product * size, 1);
  if (elements > cursor.source.size * 8) {
    // The densest type has more than one bit per weight.
    throw cursor.fail(
      `${text} has ${elements} elements, more than a file of ${cursor.source.size} bytes can hold`,
    );
  }
  const columns = shape[0]!;
  if (columns % row.blockSize !== 0) {
    throw cursor.fail(`${text}: rows of ${columns} are not whole ${row.name} blocks of ${row.blockSize}`);
  }
  return (elements / columns) * rowBytes(row, columns);
}

/** Makes offsets absolute and checks that every tensor lies inside the file, aligned, on its own. */
function locateTensors(cursor: Cursor, tensors: readonly GgufTensor[], alignment: number): void {
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const { name: file, size } = cursor.source;
  for (const tensor of tensors) {
    const where = `${file}: tensor ${quote(tensor.name)}`;
    if (tensor.offset % alignment !== 0) {
      throw new GgufError(
        `${where} is misaligned: offset ${tensor.offset} is not a multiple of ${alignment}`,
      );
    }
    tensor.offset += dataStart;
    const end = tensor.offset + tensor.byteLength;
    if (end > size) {
      throw new GgufError(
        `${where} lies outside of the file: bytes ${tensor.offset} to ${end}, but the file has ${size}:` +
          ' it is truncated or damaged',
      );
    }
  }
  let before: GgufTensor | undefined;
  for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
    if (before !== undefined && before.offset + before.byteLength > tensor.offset) {
      throw new GgufError(
        `${file}: tensor ${quote(tensor.name)} is overlapping: its data, at byte ${tensor.offset},` +
          ` begin inside those of ${quote(before.name)}`,
      );
    }
    before = tensor;
  }
}
