/**
 * Stage 03: SIMD. This is the reference, and right: compute with vectors of 16 bytes.
 * Parameters and layouts: lab/00-reference/kernel.ts and lab/kit/.
 */
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

/** One row times one token: `blocks` blocks of 32. */
function dotRow(w: usize, x: usize, blocks: i32): f32 {
  let sum: f32 = 0;
  for (let b = 0; b < blocks; b++) {
    // TODO 1: one v128.load holds the 32 nibbles of the block. Split it into low and high nibbles: two vectors of 16.
    // TODO 2: load the 32 activations as two vectors, and multiply with i16x8.extmul_low_i8x16_s and _high_.
    // TODO 3: add products that fit in 16 bits, then widen to 32 with i32x4.extadd_pairwise_i16x8_s.
    // TODO 4: keep the sum of the row in four lanes, and add up the lanes once, at the end of the row.
    let dot = 0;
    for (let j: usize = 0; j < 16; j++) {
      const pair = <i32>load<u8>(w + NIBBLES + j);
      dot += (pair & 15) * <i32>load<i8>(x + j);
      dot += (pair >> 4) * <i32>load<i8>(x + j + 16);
    }
    // scale * q + minimum, times x, summed over the block: the minimum meets the sum of x, once per block.
    sum += scale(w) * load<f32>(x + X_SCALE) * <f32>dot + minimum(w) * load<f32>(x + X_SUM);
    w += BLOCK_BYTES;
    x += X_BYTES;
  }
  return sum;
}
