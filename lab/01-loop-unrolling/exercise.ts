/**
 * Stage 01: loop unrolling. This is the reference, and right: make it faster.
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
    // TODO 1: go through the rows four at a time. Write dot4Rows, which takes four rows and has four sums.
    for (let row = 0; row < rows; row++) {
      store<f32>(y + (<usize>row << 2), dotRow(weights + <usize>row * rowBytes(columns), x, columns / BLOCK));
    }
  }
}

/** One row times one token: `blocks` blocks of 32. */
function dotRow(w: usize, x: usize, blocks: i32): f32 {
  let sum: f32 = 0;
  for (let b = 0; b < blocks; b++) {
    let dot = 0;
    // TODO 2: load what is needed of x once for all four rows.
    // TODO 3: do several bytes in one turn of this loop: one load<u32> holds eight weights.
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
