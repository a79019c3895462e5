/**
 * Writes GGUF version 3, streaming: tensor data are asked for one tensor after the other, and only when their
 * turn comes, so a model never has to be in memory. What the reader would refuse is refused here.
 */
import { AbortedError, GgufError } from '../errors.ts';
import { quote } from './cursor.ts';
import { Encoder } from './encoder.ts';
import { LIMITS } from './limits.ts';
import type { ByteSink } from './sinks.ts';
import { tensorBytes } from './tensor-types.ts';
import { toEncodable, u32, type Encodable, type WritableValue } from './writable.ts';

/** Bytes of a tensor: all at once, or piece by piece. A typed array is taken as its bytes. */
export type TensorData =
  | ArrayBufferView
  | (() => ArrayBufferView | Promise<ArrayBufferView> | AsyncIterable<Uint8Array> | Iterable<Uint8Array>);

export interface WritableTensor {
  name: string;
  /** GGUF tensor type id. */
  type: number;
  /** First dimension contiguous, as in GgufTensor. */
  shape: readonly number[];
  /** Must give exactly the bytes that type and shape ask for. */
  data: TensorData;
}

export interface WritableGguf {
  metadata: ReadonlyMap<string, WritableValue>;
  tensors: readonly WritableTensor[];
  /** Of tensor data, in bytes: a power of two. Default: general.alignment among the metadata, or 32. */
  alignment?: number;
}

export interface WriteOptions {
  /** Stops the writing between two pieces; it then throws an AbortedError. */
  signal?: AbortSignal;
  /** Called after every tensor with the bytes written so far. */
  onProgress?: (bytes: number) => void;
}

const MAGIC = 0x4655_4747;
const VERSION = 3;
const DEFAULT_ALIGNMENT = 32;
/** llama.cpp keeps a name in 64 bytes, the closing zero included. */
const NAME_BYTES = 63;

/**
 * Writes one file and gives back its size in bytes. The sink stays open: close it, or abort it when this throws.
 *
 * @throws GgufError when metadata or tensors are not valid, or a tensor's data have another length than its shape
 */
export async function writeGguf(
  sink: ByteSink,
  model: WritableGguf,
  options: WriteOptions = {},
): Promise<number> {
  const alignment = alignmentOf(model);
  const encoder = new Encoder(sink);
  const sizes = checkTensors(model.tensors);
  await writeHeader(encoder, model, alignment);
  for (const [i, tensor] of model.tensors.entries()) {
    await encoder.pad(alignment);
    await writeData(encoder, tensor, sizes[i]!, options.signal);
    options.onProgress?.(encoder.position);
  }
  // The last tensor is padded too: gguf-py and llama.cpp do so, and old readers rely on it.
  await encoder.pad(alignment);
  await encoder.flush();
  return encoder.position;
}

/** Bytes that magic, counts, metadata and tensor list take; padding not included. */
export async function headerBytes(model: WritableGguf): Promise<number> {
  const encoder = new Encoder({ write: () => Promise.resolve() });
  checkTensors(model.tensors);
  await writeHeader(encoder, model, alignmentOf(model));
  return encoder.position;
}

/** The alignment a model will be written with. Throws a GgufError when it is not a power of two. */
export function alignmentOf(model: WritableGguf): number {
  let alignment = model.alignment;
  const given = model.metadata.get('general.alignment');
  if (given !== undefined) {
    const value = toEncodable('general.alignment', given);
    const stated = value.kind === 'number' && value.type === 'u32' ? Number(value.value) : NaN;
    if (alignment !== undefined && alignment !== stated) {
      throw new GgufError(`general.alignment is not the alignment of ${alignment} asked for`);
    }
    alignment = stated;
  }
  alignment ??= DEFAULT_ALIGNMENT;
  if (!(alignment >= 1 && alignment <= LIMITS.alignment && Number.isInteger(Math.log2(alignment)))) {
    throw new GgufError(`an alignment of ${alignment} is not a power of two up to ${LIMITS.alignment} (u32)`);
  }
  return alignment;
}

async function writeHeader(encoder: Encoder, model: WritableGguf, alignment: number): Promise<void> {
  const pairs = encodePairs(model.metadata, alignment);
  await encoder.u32(MAGIC);
  await encoder.u32(VERSION);
  await encoder.u64(model.tensors.length);
  await encoder.u64(pairs.length);
  for (const [key, value] of pairs) {
    await encoder.string(key);
    await encoder.value(value);
  }
  let offset = 0;
  for (const { name, type, shape } of model.tensors) {
    await encoder.string(name);
    await encoder.u32(shape.length);
    for (const size of shape) await encoder.u64(size);
    await encoder.u32(type);
    await encoder.u64(offset);
    offset += Math.ceil(tensorBytes(type, shape) / alignment) * alignment;
  }
}

function encodePairs(metadata: ReadonlyMap<string, WritableValue>, alignment: number): [string, Encodable][] {
  const pairs = [...metadata].map(([key, value]): [string, Encodable] => {
    const { length } = new TextEncoder().encode(key);
    if (length === 0 || length > LIMITS.keyBytes) {
      throw new GgufError(`metadata key ${quote(key)} is empty or longer than ${LIMITS.keyBytes} bytes`);
    }
    return [key, toEncodable(key, value)];
  });
  if (alignment !== DEFAULT_ALIGNMENT && !metadata.has('general.alignment')) {
    pairs.push(['general.alignment', toEncodable('general.alignment', u32(alignment))]);
  }
  return pairs;
}

/** Bytes of every tensor. Throws a GgufError for a bad name or shape. */
function checkTensors(tensors: readonly WritableTensor[]): number[] {
  const names = new Set<string>();
  return tensors.map(({ name, type, shape }) => {
    const where = `tensor ${quote(name)}`;
    const { length } = new TextEncoder().encode(name);
    if (length === 0 || length > NAME_BYTES) {
      throw new GgufError(
        `${where}: the name is empty or longer than ${NAME_BYTES} bytes, llama.cpp's limit`,
      );
    }
    if (names.has(name)) throw new GgufError(`duplicate tensor ${quote(name)}`);
    names.add(name);
    const sane = shape.every((size) => Number.isSafeInteger(size) && size > 0);
    if (!sane || shape.length < 1 || shape.length > LIMITS.dimensions) {
      throw new GgufError(
        `${where}: shape [${shape.join(', ')}] is not 1 to ${LIMITS.dimensions} positive sizes`,
      );
    }
    try {
      return tensorBytes(type, shape);
    } catch (error) {
      throw new GgufError(`${where}: ${(error as Error).message}`, { cause: error });
    }
  });
}

async function writeData(
  encoder: Encoder,
  tensor: WritableTensor,
  expected: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let written = 0;
  const wrong = (): GgufError =>
    new GgufError(
      `tensor ${quote(tensor.name)}: its data are not the ${expected} bytes that type and shape ask for`,
    );
  for await (const piece of pieces(tensor.data)) {
    if (signal?.aborted) throw new AbortedError();
    written += piece.byteLength;
    if (written > expected) throw wrong();
    await encoder.bytes(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
  }
  if (written !== expected) throw wrong();
}

async function* pieces(data: TensorData): AsyncIterable<ArrayBufferView> {
  const given = await (typeof data === 'function' ? data() : data);
  // First: a Uint8Array is an iterable itself, of numbers.
  if (ArrayBuffer.isView(given)) yield given;
  else yield* given;
}
