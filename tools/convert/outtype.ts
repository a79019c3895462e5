/** Which type a tensor of the file gets. The rules are llama.cpp's: vectors, norms and routers stay F32. */
import { tensorType } from '../../src/gguf/tensor-types.ts';
import { BF16, bytesPerRow, F16, F32, I8, Q4_1, Q8_0, type Rows } from './rows.ts';

export const OUTTYPES = ['f32', 'f16', 'bf16', 'q8_0'] as const;
export type Outtype = (typeof OUTTYPES)[number];

/** [tensor type, general.file_type] */
const TYPES: Readonly<Record<Outtype, readonly [type: number, fileType: number]>> = {
  f32: [F32, 0],
  f16: [F16, 1],
  bf16: [BF16, 32],
  q8_0: [Q8_0, 7],
};

export const fileTypeOf = (outtype: Outtype): number => TYPES[outtype][1];

/** Small, or added to activations that are f32: precision is worth more here than the few bytes. */
const ALWAYS_F32 =
  /(_norm\.weight|^position_embd\.weight|^token_types\.weight|\.ffn_gate_inp\.weight|\.scale)$/;

/** The GGUF type id for a tensor that is called `name` in the file. */
export function outputType(name: string, rows: Rows, outtype: Outtype): number {
  if (rows.type === I8) return I8;
  if (rows.shape.length === 1 || ALWAYS_F32.test(name) || !name.endsWith('.weight')) return F32;
  const [wanted] = TYPES[outtype];
  if (wanted === F32) return F32;
  if (rows.type === Q4_1) return Q4_1;
  // 8 bits of mantissa or of level would lose what a quantizer has chosen.
  if (rows.wasPacked) return F16;
  return rows.shape[0]! % tensorType(wanted).blockSize === 0 ? wanted : F16;
}

/** Rows to take at a time: a few megabytes of them, and at least one. */
export function rowsPerPiece(rows: Rows): number {
  const PIECE_BYTES = 8 << 20;
  return Math.max(1, Math.floor(PIECE_BYTES / Math.max(bytesPerRow(rows), 4 * rows.shape[0]!)));
}
