/** GGUF as values: see shard-reader.ts for the format. */
import type { NumericArray, ValueType } from './value-types.ts';

export type GgufScalar = number | bigint | boolean | string;
/** Numeric arrays come as typed arrays, string arrays as string[], nested arrays as GgufValue[]. */
export type GgufArray = NumericArray | string[] | boolean[] | GgufArray[];
export type GgufValue = GgufScalar | GgufArray;

export interface GgufTensor {
  name: string;
  /** GGUF tensor type id: a row of tensor-types.ts. */
  type: number;
  /** Dimensions as in the file: the first is the contiguous one (columns), then rows, ... */
  shape: number[];
  /** Index into GgufFile.sources. */
  shard: number;
  /** Absolute byte offset in that source. */
  offset: number;
  byteLength: number;
}

/** Random access to bytes: a local file, an HTTP resource, a buffer. */
export interface ByteSource {
  /** Path or URL, for messages. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset`; fails when they are not there. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface GgufFile {
  version: number;
  alignment: number;
  /** In file order. 64-bit integers that fit are numbers, the others bigint. */
  metadata: Map<string, GgufValue>;
  /**
   * How each value stood in the file (`u32`, `f32[]` ...), which its JavaScript value does not tell: the writer
   * needs it to copy metadata. The reader always sets it.
   */
  valueTypes?: Map<string, ValueType>;
  tensors: GgufTensor[];
  /** One per shard. */
  sources: ByteSource[];
  /** Bytes of all shards. */
  byteLength: number;
}
