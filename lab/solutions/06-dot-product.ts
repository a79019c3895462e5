/** Stage 06: the relaxed dot product: 16 multiplications and 16 additions in one instruction, where the CPU has it. */
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

/** Adds, for each of four rows, four products to that row's lane of `sums`. The 7-bit operand is the weight. */
// @ts-ignore: decorator
@inline function dot(x: v128, weights: v128, sums: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, weights, sums);
}

/** Eight rows times one token: eight sums at y. */
function dotGroup(w: usize, x: usize, y: usize, blocks: i32): void {
  let sums0 = f32x4.splat(0), sums1 = f32x4.splat(0);
  for (let b = 0; b < blocks; b++) {
    let dots0 = i32x4.splat(0), dots1 = dots0;
    for (let i = 0; i < 4; i++) {
      // Four activations, repeated for each of the four rows in a vector.
      const x0 = v128.load32_splat(x + (<usize>i << 2)), x16 = v128.load32_splat(x + (<usize>i << 2) + 16);
      const p0 = packed(w, i, 0), p1 = packed(w, i, 1);
      dots0 = dot(x0, v128.and(p0, i8x16.splat(15)), dots0);
      dots1 = dot(x0, v128.and(p1, i8x16.splat(15)), dots1);
      dots0 = dot(x16, i8x16.shr_u(p0, 4), dots0);
      dots1 = dot(x16, i8x16.shr_u(p1, 4), dots1);
    }
    const xScale = v128.load32_splat(x + X_SCALE), xSum = v128.load32_splat(x + X_SUM);
    sums0 = addBlock(sums0, dots0, w, 0, xScale, xSum);
    sums1 = addBlock(sums1, dots1, w, 1, xScale, xSum);
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
