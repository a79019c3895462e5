/**
 * Stage 05: the weights now lie in groups of eight interleaved rows. This kernel is right, and slow: it picks single
 * bytes out of vectors.
 * Parameters: lab/00-reference/kernel.ts; layout: lab/kit/q4-groups.ts, which also has scales, minimums and packed.
 */
import { BLOCK, X_BYTES, X_SCALE, X_SUM, xStride } from '../kit/activations';
import { f16 } from '../kit/f16';
import { BLOCK_BYTES, GROUP_ROWS, groupBytes } from '../kit/q4-groups';

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

/** Eight rows times one token: eight sums at y. */
function dotGroup(w: usize, x: usize, y: usize, blocks: i32): void {
  // TODO 1: let the lanes of a vector be rows: two f32x4 hold the eight sums, and there is no loop over r.
  // TODO 2: packed(w, i, v) has columns 4i .. 4i+3 (and + 16) of four rows: v128.load32_splat brings the same
  //         four activations to each of them.
  // TODO 3: add products in 16 bits over the whole block (why do they fit?), then make one sum per row.
  // TODO 4: scale four rows at once with scales(w, v) and minimums(w, v).
  for (let r: usize = 0; r < <usize>GROUP_ROWS; r++) {
    let sum: f32 = 0, block = w, xb = x;
    for (let b = 0; b < blocks; b++) {
      let dot = 0;
      for (let j: usize = 0; j < 16; j++) {
        const pair = <i32>load<u8>(block + 32 + (j >> 2) * 32 + r * 4 + (j & 3));
        dot += (pair & 15) * <i32>load<i8>(xb + j) + (pair >> 4) * <i32>load<i8>(xb + j + 16);
      }
      sum += f16(block + 2 * r) * load<f32>(xb + X_SCALE) * <f32>dot + f16(block + 16 + 2 * r) * load<f32>(xb + X_SUM);
      block += BLOCK_BYTES;
      xb += X_BYTES;
    }
    store<f32>(y + r * 4, sum);
  }
}
