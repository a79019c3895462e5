/**
 * Stage 08: many tokens. This kernel is right, and unpacks every weight anew for every token.
 * Parameters: lab/00-reference/kernel.ts; layout: lab/kit/q4-groups.ts; helpers: lab/kit/workers.ts.
 */
import { BLOCK, X_BYTES, X_SCALE, X_SUM, xStride } from '../kit/activations';
import { f16 } from '../kit/f16';
import { BLOCK_BYTES, GROUP_ROWS, groupBytes } from '../kit/q4-groups';

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  // TODO 1: chunks of groups, taken from the counter; the loop over tokens goes inside.
  // TODO 2: unpack a group into `scratch` (64 KiB, this worker's own): a stretch of 16 blocks stays in the L1 cache.
  // TODO 3: four tokens at a time over the unpacked stretch: each vector of weights is loaded once for all four.
  // TODO 4: sums of a stretch must be kept until the next one: in the output, say.
  if (worker != 0) return;
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
