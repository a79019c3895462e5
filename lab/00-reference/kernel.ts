/**
 * Stage 00, the reference: y = W x in the plainest way. One row after the other, one accumulator, one weight at a
 * time. Given; every later stage is measured against it.
 *
 * The interface of all stages:
 *
 *   weights      the matrix, `rows` x `columns`              (drawn in lab/kit/q4-rows.ts)
 *   activations  `tokens` vectors of `columns` values        (drawn in lab/kit/activations.ts)
 *   output       f32, `tokens` x `rows`: to be overwritten, whatever is in there
 *   worker       this worker's number, 0 .. workers - 1; in this stage there is one
 *   counter      a shared 32-bit word, 0 at the start
 *   scratch      64 KiB that no other worker touches
 *
 * `rows` is a multiple of 8 and `columns` a multiple of 32. Addresses are multiples of 16.
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
