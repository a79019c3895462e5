/**
 * Reads the header of a safetensors file: a little-endian u64 with its length, JSON that gives each tensor a type, a
 * shape and a range of bytes, then the bytes. A header is hostile input: nothing is allocated or believed before it
 * has been checked against the size of the file, and as the format demands, the ranges fill the file without holes
 * or overlaps.
 *
 * https://github.com/huggingface/safetensors#format
 */
import { CheckpointError } from '../../src/errors.ts';
import { quote } from '../../src/gguf/cursor.ts';
import type { ByteSource } from '../../src/gguf/types.ts';

/** Bytes of one element. Types that this table lacks (sub-byte floats) are refused by name. */
const DTYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

export interface StoredTensor {
  name: string;
  /** `BF16`, `F32`, `I32` ... */
  dtype: string;
  /** As PyTorch has it: the last dimension is contiguous. Empty for a scalar. */
  shape: readonly number[];
  source: ByteSource;
  /** In the source, in bytes. */
  offset: number;
  byteLength: number;
}

const LIMITS = {
  /** The format's own limit. */
  headerBytes: 100_000_000,
  tensors: 2 ** 18,
  dimensions: 8,
  nameLength: 1024,
};

/** What `git clone` leaves in a file's place without git-lfs, a likely mistake: `version https://git-lfs...`. */
const LFS_POINTER =
  'is a Git LFS pointer instead of the file: fetch it with git lfs pull, or the checkpoint with nibble pull --snapshot';

/** Every tensor of a file. Throws CheckpointError when the file is not what the format says. */
export async function readSafetensors(source: ByteSource): Promise<StoredTensor[]> {
  const fail = (problem: string): CheckpointError => new CheckpointError(`${source.name}: ${problem}`);
  if (source.size < 10) throw fail('is too short for a safetensors file');
  const start = await source.read(0, 8);
  if (String.fromCharCode(...start) === 'version ') throw fail(LFS_POINTER);
  const length = readU64(start);
  if (!(length >= 2 && length <= LIMITS.headerBytes && length <= source.size - 8)) {
    throw fail(`is not a safetensors file, or truncated: a header of ${length} bytes in ${source.size}`);
  }
  const text = decodeHeader(await source.read(8, length), fail);
  // A pickle or an HTML page also begins with eight bytes.
  if (!text.startsWith('{')) throw fail('is not a safetensors file: its header is no JSON object');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${source.name}: the header is no valid JSON`, { cause });
  }
  const entries = Object.entries(header as Record<string, unknown>).filter(
    ([name]) => name !== '__metadata__',
  );
  if (entries.length > LIMITS.tensors)
    throw fail(`${entries.length} tensors are more than ${LIMITS.tensors}`);
  const dataStart = 8 + length;
  const tensors = entries.map(([name, entry]) => readEntry(name, entry, source, dataStart, fail));
  checkRanges(tensors, source, dataStart, fail);
  return tensors;
}

function decodeHeader(bytes: Uint8Array, fail: (problem: string) => CheckpointError): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw fail('is not a safetensors file: its header is no UTF-8');
  }
}

function readU64(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
}

function readEntry(
  name: string,
  entry: unknown,
  source: ByteSource,
  dataStart: number,
  fail: (problem: string) => CheckpointError,
): StoredTensor {
  const where = `tensor ${quote(name)}`;
  if (name.length === 0 || name.length > LIMITS.nameLength)
    throw fail(`${where}: a name of ${name.length} letters`);
  if (typeof entry !== 'object' || entry === null) throw fail(`${where}: its entry is no object`);
  const { dtype, shape, data_offsets: range } = entry as Record<string, unknown>;
  const size =
    typeof dtype === 'string' && Object.hasOwn(DTYPE_BYTES, dtype) ? DTYPE_BYTES[dtype] : undefined;
  if (size === undefined) throw fail(`${where}: unknown type ${quote(String(dtype))}`);
  if (!isSizes(shape) || shape.length > LIMITS.dimensions)
    throw fail(`${where}: its shape is not a list of sizes`);
  if (!isSizes(range) || range.length !== 2 || range[1]! < range[0]! || dataStart + range[1]! > source.size) {
    throw fail(`${where}: its bytes lie outside of the file`);
  }
  const byteLength = range[1]! - range[0]!;
  // A product beyond 2^53 is not exact, and still no length of any file.
  if (shape.reduce((product, n) => product * n, size) !== byteLength) {
    throw fail(
      `${where}: ${byteLength} bytes do not fit the shape [${shape.join(', ')}] of ${String(dtype)}`,
    );
  }
  return { name, dtype: dtype as string, shape, source, offset: dataStart + range[0]!, byteLength };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
}

function checkRanges(
  tensors: readonly StoredTensor[],
  source: ByteSource,
  dataStart: number,
  fail: (problem: string) => CheckpointError,
): void {
  let at = dataStart;
  for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength)) {
    if (tensor.offset !== at)
      throw fail(`tensor ${quote(tensor.name)}: its bytes leave a hole or overlap another's`);
    at += tensor.byteLength;
  }
  if (at !== source.size)
    throw fail(`is truncated or has ${source.size - at} bytes that belong to no tensor`);
}
