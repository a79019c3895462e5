/** What a GEMV or GEMM should give: exact sums in f64 of exact weights and of the activations as quantized. */
import { fileRowBytes } from '../../src/kernels/formats.ts';
import type { WeightFormat } from '../../src/kernels/formats.ts';
import { near, sameBits } from './check.ts';
import type { Machine, Matrix } from './machine.ts';
import { quantizeTwin } from './twins/activations.ts';
import { dequantizeTwin, exactly } from './twins/formats.ts';
import { SCALES, setScales } from './twins/weights.ts';

export interface Product {
  /** Per row of the matrix. */
  sums: number[];
  /** Per row: the sum of |w x|. */
  sizes: number[];
}

/** Weight rows as exact numbers. */
export function exactRows(
  format: WeightFormat,
  bytes: Uint8Array,
  rows: number,
  columns: number,
): number[][] {
  const rowBytes = fileRowBytes(format, columns);
  return Array.from({ length: rows }, (_, row) =>
    dequantizeTwin(format, bytes.subarray(row * rowBytes, (row + 1) * rowBytes), columns, exactly),
  );
}

/**
 * |scale * q| + |minimum| of each weight: what kernels add up. Where the two nearly cancel and the sum has but a few
 * terms, the error is of this size, not of the weight's.
 */
export function magnitudesOf(
  format: WeightFormat,
  bytes: Uint8Array,
  rows: number,
  columns: number,
): number[][] {
  const weights = exactRows(format, bytes, rows, columns);
  if ((SCALES[format.name]?.length ?? 0) < 2) return weights;
  const least = bytes.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = 0;
  setScales(format, least, (i) => {
    if (i === 0) return 0;
    const minimum = view.getUint16(at + SCALES[format.name]![1]!, true);
    at += format.blockBytes;
    return minimum;
  });
  const minimums = exactRows(format, least, rows, columns);
  return weights.map((row, r) =>
    row.map((w, k) => Math.abs(w - minimums[r]![k]!) + Math.abs(minimums[r]![k]!)),
  );
}

/** The activations that the kernels of a form multiply with. */
export function seen(format: WeightFormat, x: Float32Array): ArrayLike<number> {
  return format.form === 'f32' ? x : quantizeTwin(x).values;
}

export function product(
  weights: number[][],
  x: ArrayLike<number>,
  magnitudes: number[][] = weights,
): Product {
  const result: Product = { sums: [], sizes: [] };
  for (const [r, row] of weights.entries()) {
    let [sum, size] = [0, 0];
    for (const [k, w] of row.entries()) {
      sum += w * x[k]!;
      size += Math.abs(magnitudes[r]![k]! * x[k]!);
    }
    result.sums.push(sum);
    result.sizes.push(size);
  }
  return result;
}

const known = new WeakMap<number[][], WeakMap<Float32Array, Product>>();

/** Tests meet the same weights and tokens in batches of many sizes: the slow twin need not be asked each time. */
function remembered(weights: number[][], token: Float32Array, make: () => Product): Product {
  const products = known.get(weights) ?? new WeakMap<Float32Array, Product>();
  known.set(weights, products);
  const found = products.get(token) ?? make();
  products.set(token, found);
  return found;
}

/** What subnormal intermediate results may lose. */
const FLOOR = 1e-35;

/**
 * GEMV of each token within the budget of the twin; GEMM of all tokens the same bits as GEMV. Returns the largest
 * part of the budget that was used.
 */
export function checkProducts(
  machine: Machine,
  matrix: Matrix,
  weights: number[][],
  tokens: Float32Array[],
  what: string,
  { magnitudes = weights }: { magnitudes?: number[][] } = {},
): number {
  const { format } = matrix;
  const x = machine.activations(format, tokens);
  const start = 0.375;
  const alone = tokens.map((_, t) => machine.gemv(matrix, x.at + t * x.stride, start));
  let used = 0;
  for (const [t, token] of tokens.entries()) {
    const expected = remembered(weights, token, () => product(weights, seen(format, token), magnitudes));
    const sums = expected.sums.map((sum) => sum + start);
    const limit = (i: number) => format.errorBudget * (expected.sizes[i]! + start) + FLOOR;
    used = Math.max(used, near(alone[t]!, sums, limit, `${what}, GEMV of token ${t}`));
  }
  const together = machine.gemm(matrix, x.at, x.stride, tokens.length, start);
  for (const [t, y] of together.entries()) {
    sameBits(y, alone[t]!, `${what}, GEMM of ${tokens.length} tokens against GEMV, token ${t}`);
  }
  machine.checkFences();
  return used;
}
