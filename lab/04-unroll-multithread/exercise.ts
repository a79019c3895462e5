/**
 * Stage 04: unrolled and on all workers. This is the reference: bring stages 01 and 02 together.
 * Parameters and layouts: lab/00-reference/kernel.ts and lab/kit/; helpers: lab/kit/workers.ts.
 */
import { BLOCK, X_BYTES, X_SCALE, X_SUM, xStride } from '../kit/activations';
import { BLOCK_BYTES, NIBBLES, minimum, rowBytes, scale } from '../kit/q4-rows';

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  // TODO 1: chunks of rows, as in your stage 02. How many rows should a chunk have, so that no row group is cut in two?
  // TODO 2: four rows at a time within a chunk, as in your stage 01.
  if (worker != 0) return;
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
