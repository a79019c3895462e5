/**
 * Stage w8a8-03: SIMD. This is the reference, and right: compute with vectors of 16 bytes.
 * Parameters and layouts: lab/w8a8-00-reference/kernel.ts and lab/kit/int8.ts.
 */
import { BIAS, HEADER, stride } from '../kit/int8';

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  for (let token = 0; token < tokens; token++) {
    const x = activations + <usize>token * stride(columns);
    const y = output + (<usize>(token * rows) << 2);
    for (let row = 0; row < rows; row++) {
      store<f32>(y + (<usize>row << 2), dotRow(weights + <usize>row * stride(columns), x, columns));
    }
  }
}

/** One row times one token. */
function dotRow(w: usize, x: usize, columns: i32): f32 {
  // TODO 1: 16 weights and 16 activations to a turn; i16x8.extmul_low_i8x16_s and _high_ multiply them.
  // TODO 2: how many products fit in 16 bits? Widen with i32x4.extadd_pairwise_i16x8_s before you add.
  // TODO 3: add up the four lanes once, at the end of the row.
  let dot = 0;
  for (let k: usize = HEADER; k < stride(columns); k++) {
    dot += <i32>load<i8>(w + k) * <i32>load<i8>(x + k);
  }
  return load<f32>(w + BIAS) + load<f32>(w) * load<f32>(x) * <f32>dot;
}
