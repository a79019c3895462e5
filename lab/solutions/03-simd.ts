/** Stage 03: a block of 32 weights in four widening multiplies. */
import { BLOCK, X_BYTES, X_SCALE, X_SUM, xStride } from '../kit/activations';
import { BLOCK_BYTES, NIBBLES, minimum, rowBytes, scale } from '../kit/q4-rows';

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  for (let token = 0; token < tokens; token++) {
    const x = activations + <usize>token * xStride(columns);
    const y = output + (<usize>(token * rows) << 2);
    for (let row = 0; row < rows; row++) {
      store<f32>(y + (<usize>row << 2), dotRow(weights + <usize>row * rowBytes(columns), x, columns / BLOCK));
    }
  }
}

/** One row times one token. The four lanes of `sums` are added up once, at the end of the row. */
function dotRow(w: usize, x: usize, blocks: i32): f32 {
  let sums = f32x4.splat(0);
  let minimums: f32 = 0;
  for (let b = 0; b < blocks; b++) {
    const pairs = v128.load(w + NIBBLES);
    const low = v128.and(pairs, i8x16.splat(15)), high = i8x16.shr_u(pairs, 4);
    const x0 = v128.load(x), x16 = v128.load(x + 16);
    // 16 bits hold four products of at most 15 * 127, but not a whole block's 32.
    const dot = i16x8.add(
      i16x8.add(i16x8.extmul_low_i8x16_s(low, x0), i16x8.extmul_high_i8x16_s(low, x0)),
      i16x8.add(i16x8.extmul_low_i8x16_s(high, x16), i16x8.extmul_high_i8x16_s(high, x16)),
    );
    const both = f32x4.splat(scale(w) * load<f32>(x + X_SCALE));
    sums = f32x4.add(sums, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extadd_pairwise_i16x8_s(dot)), both));
    minimums += minimum(w) * load<f32>(x + X_SUM);
    w += BLOCK_BYTES;
    x += X_BYTES;
  }
  return minimums + f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1)
    + f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3);
}
