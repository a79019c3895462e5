/**
 * A matrix that GPTQ or AWQ quantized: integer levels, and a scale and a zero for each output and group of inputs,
 *
 *     w[out, in] = scale[group(in), out] * (level[out, in] - zero[group(in), out])
 *
 * It becomes Q4_1 (w = d * q + m over 32 inputs) where that changes no value: the levels have 4 bits, 32 neighbouring
 * inputs are of one group, and each scale d and minimum m = -scale * zero is an f16. Otherwise it becomes F32, which
 * holds every product of an 11-bit scale and a difference of levels exactly.
 */
import { f16Bits, f16ToF32 } from '../numbers.ts';
import { F32, Q4_1, type Rows } from '../rows.ts';
import { kept } from '../transforms.ts';

export interface PackedMatrix {
  name: string;
  inputs: number;
  outputs: number;
  bits: number;
  /** Of each input. */
  groupOf: Int32Array;
  /** [groups, outputs] */
  scales: Float32Array;
  zeros: Float32Array;
  /** Levels of outputs `first` to `first + count`: [count, inputs]. */
  levels(first: number, count: number): Promise<Uint8Array>;
}

/**
 * The matrix as rows of Q4_1 or F32. It is opened once to look at its scales and again to be read: those of all
 * matrices together may be larger than the largest tensor.
 */
export async function packedRows(open: () => Promise<PackedMatrix>): Promise<Rows> {
  const seen = await open();
  const { name, inputs, outputs } = seen;
  const exact = fitsQ41(seen);
  const opened = kept(open);
  return {
    name,
    shape: [inputs, outputs],
    type: exact ? Q4_1 : F32,
    wasPacked: true,
    async read(first, count) {
      const matrix = await opened.get();
      const levels = await matrix.levels(first, count);
      if (first + count === outputs) opened.drop();
      return exact ? toQ41(matrix, levels, first, count) : toF32(matrix, levels, first, count);
    },
  };
}

function fitsQ41({ bits, inputs, groupOf, scales, zeros }: PackedMatrix): boolean {
  if (bits !== 4 || inputs % 32 !== 0) return false;
  for (let i = 0; i < inputs; i++) if (groupOf[i] !== groupOf[i - (i % 32)]) return false;
  return scales.every((scale, i) => isHalf(scale) && isHalf(-scale * zeros[i]!));
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

function halfBits(value: number): number {
  float[0] = value;
  return f16Bits(bits[0]!);
}

function isHalf(value: number): boolean {
  return f16ToF32(Uint16Array.of(halfBits(value)))[0] === value;
}

function toF32(
  { inputs, outputs, groupOf, scales, zeros }: PackedMatrix,
  levels: Uint8Array,
  first: number,
  count: number,
): Uint8Array {
  const values = new Float32Array(count * inputs);
  for (let row = 0, at = 0; row < count; row++) {
    for (let i = 0; i < inputs; i++, at++) {
      const group = groupOf[i]! * outputs + first + row;
      values[at] = scales[group]! * (levels[at]! - zeros[group]!);
    }
  }
  return new Uint8Array(values.buffer);
}

/** See encode.ts for the layout of a block. */
function toQ41(
  { inputs, outputs, groupOf, scales, zeros }: PackedMatrix,
  levels: Uint8Array,
  first: number,
  count: number,
): Uint8Array {
  const bytes = new Uint8Array((count * inputs * 20) / 32);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < inputs; i += 32, at += 20) {
      const group = groupOf[i]! * outputs + first + row;
      view.setUint16(at, halfBits(scales[group]!), true);
      view.setUint16(at + 2, halfBits(-scales[group]! * zeros[group]!), true);
      const from = row * inputs + i;
      for (let j = 0; j < 16; j++) bytes[at + 4 + j] = levels[from + j]! | (levels[from + 16 + j]! << 4);
    }
  }
  return bytes;
}
