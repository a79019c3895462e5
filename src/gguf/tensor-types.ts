/**
 * The one table of GGUF tensor types: how many weights share a block and how many bytes that block takes.
 * It lists every type that can occur in a file, also those that the engine cannot run, so that sizes can be
 * checked and errors can say a name. What can be run is the format table in src/kernels.
 */
import { GgufError } from '../errors.ts';

export interface TensorType {
  /** The id that stands in the file. */
  readonly id: number;
  /** llama.cpp's name, upper case: `Q4_K`. */
  readonly name: string;
  /** Weights per block: a row is a whole number of blocks. */
  readonly blockSize: number;
  readonly bytesPerBlock: number;
}

/** [id, name, weights per block, bytes per block], in order of id. */
const ROWS: readonly (readonly [number, string, number, number])[] = [
  [0, 'F32', 1, 4],
  [1, 'F16', 1, 2],
  [2, 'Q4_0', 32, 2 + 16],
  [3, 'Q4_1', 32, 4 + 16],
  [6, 'Q5_0', 32, 2 + 4 + 16],
  [7, 'Q5_1', 32, 4 + 4 + 16],
  [8, 'Q8_0', 32, 2 + 32],
  [9, 'Q8_1', 32, 4 + 32],
  [10, 'Q2_K', 256, 16 + 64 + 4],
  [11, 'Q3_K', 256, 32 + 64 + 12 + 2],
  [12, 'Q4_K', 256, 4 + 12 + 128],
  [13, 'Q5_K', 256, 4 + 12 + 32 + 128],
  [14, 'Q6_K', 256, 128 + 64 + 16 + 2],
  [15, 'Q8_K', 256, 4 + 256 + 32],
  [16, 'IQ2_XXS', 256, 2 + 64],
  [17, 'IQ2_XS', 256, 2 + 64 + 8],
  [18, 'IQ3_XXS', 256, 2 + 96],
  [19, 'IQ1_S', 256, 2 + 32 + 16],
  [20, 'IQ4_NL', 32, 2 + 16],
  [21, 'IQ3_S', 256, 2 + 64 + 8 + 32 + 4],
  [22, 'IQ2_S', 256, 2 + 64 + 8 + 8],
  [23, 'IQ4_XS', 256, 2 + 2 + 4 + 128],
  [24, 'I8', 1, 1],
  [25, 'I16', 1, 2],
  [26, 'I32', 1, 4],
  [27, 'I64', 1, 8],
  [28, 'F64', 1, 8],
  [29, 'IQ1_M', 256, 32 + 16 + 8],
  [30, 'BF16', 1, 2],
  // Q4_0 with the rows of a group interleaved, retired by llama.cpp; the loader de-interleaves them.
  [31, 'Q4_0_4_4', 32, 2 + 16],
  [32, 'Q4_0_4_8', 32, 2 + 16],
  [33, 'Q4_0_8_8', 32, 2 + 16],
  [34, 'TQ1_0', 256, 48 + 4 + 2],
  [35, 'TQ2_0', 256, 64 + 2],
  [39, 'MXFP4', 32, 1 + 16],
  [40, 'NVFP4', 64, 4 + 32],
  [41, 'Q1_0', 128, 2 + 16],
  [42, 'Q2_0', 64, 2 + 16],
];

/** Ids that llama.cpp gave out and took back: their block layout is not known any more, only their name. */
const WITHDRAWN: ReadonlyMap<number, string> = new Map([
  [4, 'Q4_2'],
  [5, 'Q4_3'],
  [36, 'IQ4_NL_4_4'],
  [37, 'IQ4_NL_4_8'],
  [38, 'IQ4_NL_8_8'],
]);

export const TENSOR_TYPES: ReadonlyMap<number, TensorType> = new Map(
  ROWS.map(([id, name, blockSize, bytesPerBlock]) => [id, { id, name, blockSize, bytesPerBlock }]),
);

const BY_NAME: ReadonlyMap<string, TensorType> = new Map([...TENSOR_TYPES.values()].map((t) => [t.name, t]));

/** The table row of a type id. Throws a GgufError that names the type when there is none. */
export function tensorType(id: number): TensorType {
  const type = TENSOR_TYPES.get(id);
  if (type === undefined) throw new GgufError(`${typeLabel(id)} is not a tensor type that nibble knows`);
  return type;
}

/** The table row with a name, upper or lower case; undefined when there is none. */
export function tensorTypeByName(name: string): TensorType | undefined {
  return BY_NAME.get(name.toUpperCase());
}

/** A name for any id, known or not, never throws: `Q4_K`, `type 36 (IQ4_NL_4_4, withdrawn)`, `type 99`. */
export function typeLabel(id: number): string {
  const type = TENSOR_TYPES.get(id);
  if (type !== undefined) return type.name;
  const withdrawn = WITHDRAWN.get(id);
  return withdrawn === undefined ? `type ${id}` : `type ${id} (${withdrawn}, withdrawn by llama.cpp)`;
}

/**
 * Bytes of one row of `columns` weights. `type` is an id or a table row. Throws a GgufError when the columns
 * are not a whole number of blocks.
 */
export function rowBytes(type: number | TensorType, columns: number): number {
  const row = typeof type === 'number' ? tensorType(type) : type;
  if (!Number.isSafeInteger(columns) || columns < 1 || columns % row.blockSize !== 0) {
    throw new GgufError(
      `a row of ${columns} weights is not a whole number of ${row.name} blocks of ${row.blockSize}`,
    );
  }
  return (columns / row.blockSize) * row.bytesPerBlock;
}

/** Bytes of a tensor with this shape (first dimension contiguous). Throws like rowBytes. */
export function tensorBytes(type: number | TensorType, shape: readonly number[]): number {
  const [columns = 1, ...others] = shape;
  return others.reduce((bytes, size) => bytes * size, rowBytes(type, columns));
}

export { fileTypeName } from './file-types.ts';
