/** Stage 05: eight interleaved rows; the lanes of a vector are rows, so no sum across lanes is left. */
import { BLOCK, X_BYTES, X_SCALE, X_SUM, xStride } from '../kit/activations';
import { BLOCK_BYTES, GROUP_ROWS, groupBytes, minimums, packed, scales } from '../kit/q4-groups';

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  for (let token = 0; token < tokens; token++) {
    const x = activations + <usize>token * xStride(columns);
    const y = output + (<usize>(token * rows) << 2);
    for (let group = 0; group < rows / GROUP_ROWS; group++) {
      dotGroup(weights + <usize>group * groupBytes(columns), x, y + (<usize>group << 5), columns / BLOCK);
    }
  }
}

/** The 16-bit products of four rows: [row 0: 4 lanes, row 1: 4 lanes] and [row 2, row 3] become one sum per row. */
// @ts-ignore: decorator
@inline function rowSums(low: v128, high: v128): v128 {
  const a = i32x4.extadd_pairwise_i16x8_s(low), b = i32x4.extadd_pairwise_i16x8_s(high);
  return i32x4.add(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
}

/** Eight rows times one token: eight sums at y. */
function dotGroup(w: usize, x: usize, y: usize, blocks: i32): void {
  let sums0 = f32x4.splat(0), sums1 = f32x4.splat(0);
  for (let b = 0; b < blocks; b++) {
    let low0 = i16x8.splat(0), high0 = low0, low1 = low0, high1 = low0;
    for (let i = 0; i < 4; i++) {
      // Four activations, repeated for each of the four rows in a vector.
      const x0 = v128.load32_splat(x + (<usize>i << 2)), x16 = v128.load32_splat(x + (<usize>i << 2) + 16);
      const p0 = packed(w, i, 0), p1 = packed(w, i, 1);
      const a0 = v128.and(p0, i8x16.splat(15)), b0 = i8x16.shr_u(p0, 4);
      const a1 = v128.and(p1, i8x16.splat(15)), b1 = i8x16.shr_u(p1, 4);
      low0 = i16x8.add(low0, i16x8.add(i16x8.extmul_low_i8x16_s(a0, x0), i16x8.extmul_low_i8x16_s(b0, x16)));
      high0 = i16x8.add(high0, i16x8.add(i16x8.extmul_high_i8x16_s(a0, x0), i16x8.extmul_high_i8x16_s(b0, x16)));
      low1 = i16x8.add(low1, i16x8.add(i16x8.extmul_low_i8x16_s(a1, x0), i16x8.extmul_low_i8x16_s(b1, x16)));
      high1 = i16x8.add(high1, i16x8.add(i16x8.extmul_high_i8x16_s(a1, x0), i16x8.extmul_high_i8x16_s(b1, x16)));
    }
    const xScale = v128.load32_splat(x + X_SCALE), xSum = v128.load32_splat(x + X_SUM);
    sums0 = addBlock(sums0, rowSums(low0, high0), w, 0, xScale, xSum);
    sums1 = addBlock(sums1, rowSums(low1, high1), w, 1, xScale, xSum);
    w += BLOCK_BYTES;
    x += X_BYTES;
  }
  v128.store(y, sums0);
  v128.store(y, sums1, 16);
}

/** Adds a block's sums of four rows, scaled, and their minimums. */
// @ts-ignore: decorator
@inline function addBlock(sums: v128, dots: v128, w: usize, v: i32, xScale: v128, xSum: v128): v128 {
  const scaled = f32x4.mul(f32x4.convert_i32x4_s(dots), f32x4.mul(scales(w, v), xScale));
  return f32x4.add(sums, f32x4.add(scaled, f32x4.mul(minimums(w, v), xSum)));
}
