/**
 * A tensor on its way: rows that are made when they are asked for. Transformations wrap the rows of a stored tensor,
 * and the writer takes a few megabytes at a time, so a model never has to be in memory.
 */
import { CheckpointError } from '../../src/errors.ts';
import { quote } from '../../src/gguf/cursor.ts';
import { rowBytes, tensorType } from '../../src/gguf/tensor-types.ts';
import type { StoredTensor } from './safetensors.ts';

export interface Rows {
  /** For messages: the tensor's name in the checkpoint. */
  readonly name: string;
  /** As GGUF has it: the first dimension is contiguous. */
  readonly shape: readonly number[];
  /** GGUF tensor type id of what `read` gives: the type that keeps every value as it is. */
  readonly type: number;
  /** The values come from a packed quantization: at least f16 is needed to keep them. */
  readonly wasPacked?: boolean;
  /** Bytes of `count` rows from row `first`. */
  read(first: number, count: number): Promise<Uint8Array>;
}

export const F32 = 0;
export const F16 = 1;
export const Q4_1 = 3;
export const Q8_0 = 8;
export const I8 = 24;
export const BF16 = 30;

/** GGUF types of what safetensors files hold as numbers; packed words (I32) are read by packed/. */
const STORED_TYPES: Readonly<Record<string, number>> = { F32, F16, BF16, I8, F64: 28 };

/** Rows of a shape: a vector is one row. */
export function rowCount(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, n) => product * n, 1);
}

export function bytesPerRow(rows: Pick<Rows, 'type' | 'shape'>): number {
  return rowBytes(rows.type, rows.shape[0]!);
}

/** The rows of a stored tensor as they are. Throws CheckpointError for a type that holds no weights. */
export function storedRows(tensor: StoredTensor): Rows {
  const type = STORED_TYPES[tensor.dtype];
  if (type === undefined) {
    throw new CheckpointError(
      `${tensor.source.name}: tensor ${quote(tensor.name)} is ${tensor.dtype}, which is not a type of weights that can be converted`,
    );
  }
  const shape = tensor.shape.length === 0 ? [1] : [...tensor.shape].reverse();
  const size = bytesPerRow({ type, shape });
  return {
    name: tensor.name,
    shape,
    type,
    read: (first, count) => tensor.source.read(tensor.offset + first * size, count * size),
  };
}

/** Bytes of one element; only types without blocks can be taken apart by elements. */
export function elementBytes(rows: Rows): number {
  const { blockSize, bytesPerBlock, name } = tensorType(rows.type);
  if (blockSize !== 1)
    throw new CheckpointError(`tensor ${quote(rows.name)}: ${name} has no single elements`);
  return bytesPerBlock;
}
