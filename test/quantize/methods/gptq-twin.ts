/** GPTQ in the plainest f64 loops. */
import { rowBytes, tensorTypeByName } from '../../../src/gguf/index.ts';

type Matrix = number[][];

/** X^T X */
export function hessianTwin(x: Float32Array, columns: number): Matrix {
  const h: Matrix = Array.from({ length: columns }, () => new Array<number>(columns).fill(0));
  for (let at = 0; at < x.length; at += columns) {
    for (let i = 0; i < columns; i++) for (let j = 0; j < columns; j++) h[i]![j]! += x[at + i]! * x[at + j]!;
  }
  return h;
}

/** L with L L^T = a */
export function choleskyTwin(a: Matrix): Matrix {
  const l: Matrix = a.map((row) => row.map(() => 0));
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i]![j]!;
      for (let k = 0; k < j; k++) sum -= l[i]![k]! * l[j]![k]!;
      l[i]![j] = i === j ? Math.sqrt(sum) : sum / l[j]![j]!;
    }
  }
  return l;
}

/** The inverse of a lower triangular matrix. */
export function inverseTwin(l: Matrix): Matrix {
  const m: Matrix = l.map((row) => row.map(() => 0));
  for (let j = 0; j < l.length; j++) {
    for (let i = j; i < l.length; i++) {
      let sum = i === j ? 1 : 0;
      for (let k = j; k < i; k++) sum -= l[i]![k]! * m[k]![j]!;
      m[i]![j] = sum / l[i]![i]!;
    }
  }
  return m;
}

/** [step, minimum, least, most] of a column of a block. */
type Grid = [number, number, number, number];

function f16(view: DataView, at: number): number {
  const bits = view.getUint16(at, true);
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const size = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/** Six-bit scale and minimum of Q4_K and Q5_K, by the layout that ggml-quants.c's get_scale_min_k4 reads. */
function sixBits(b: Uint8Array, g: number): [number, number] {
  const q = b.subarray(4, 16);
  if (g < 4) return [q[g]! & 63, q[g + 4]! & 63];
  return [(q[g + 4]! & 15) | ((q[g - 4]! >> 6) << 4), (q[g + 4]! >> 4) | ((q[g]! >> 6) << 4)];
}

function gridOf(name: string, b: Uint8Array, column: number): Grid {
  const view = new DataView(b.buffer, b.byteOffset, b.length);
  const f = Math.fround;
  const [per16, per32] = [Math.floor(column / 16), Math.floor(column / 32)];
  switch (name) {
    case 'Q4_0':
      return [f16(view, 0), 0, -8, 7];
    case 'Q5_0':
      return [f16(view, 0), 0, -16, 15];
    case 'Q8_0':
      return [f16(view, 0), 0, -127, 127];
    case 'Q4_1':
      return [f16(view, 0), -f16(view, 2), 0, 15];
    case 'Q5_1':
      return [f16(view, 0), -f16(view, 2), 0, 31];
    case 'Q2_K':
      return [f(f16(view, 80) * (b[per16]! & 15)), f(f16(view, 82) * (b[per16]! >> 4)), 0, 3];
    case 'Q3_K': {
      const low = per16 < 8 ? b[96 + per16]! & 15 : b[96 + per16 - 8]! >> 4;
      const high = (b[104 + (per16 % 4)]! >> (2 * Math.floor(per16 / 4))) & 3;
      return [f(f16(view, 108) * ((low | (high << 4)) - 32)), 0, -4, 3];
    }
    case 'Q6_K':
      return [f(f16(view, 208) * view.getInt8(192 + per16)), 0, -32, 31];
    default: {
      const [scale, minimum] = sixBits(b, per32);
      return [f(f16(view, 0) * scale), f(f16(view, 2) * minimum), 0, name === 'Q4_K' ? 15 : 31];
    }
  }
}

/** The walk over the columns, with the scales of `plain` and the factor m. */
export function walkTwin(
  name: string,
  plain: Uint8Array,
  values: Float32Array,
  { rows, columns, order, m }: { rows: number; columns: number; order: Int32Array; m: Float32Array },
): Float32Array {
  const { id, blockSize, bytesPerBlock } = tensorTypeByName(name)!;
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const bytes = plain.subarray(row * rowBytes(id, columns), (row + 1) * rowBytes(id, columns));
    const w = Array.from(order, (column) => values[row * columns + column]!);
    for (let a = columns - 1; a >= 0; a--) {
      const column = order[a]!;
      const block = Math.floor(column / blockSize) * bytesPerBlock;
      const grid = gridOf(name, bytes.subarray(block, block + bytesPerBlock), column % blockSize);
      const [step, minimum, least, most] = grid;
      const q = step === 0 ? least : Math.min(most, Math.max(least, Math.round((w[a]! + minimum) / step)));
      const value = step * q - minimum;
      result[row * columns + column] = value;
      const error = (w[a]! - value) / m[a * columns + a]!;
      for (let b = 0; b < a; b++) w[b]! -= error * m[a * columns + b]!;
    }
  }
  return result;
}
