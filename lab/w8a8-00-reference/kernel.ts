/**
 * Stage w8a8-00, the reference of the 8-bit track: y = bias + W x with 8-bit weights and 8-bit activations. One row
 * after the other, one accumulator. Given; the later stages of the track are measured against it.
 *
 * The interface is that of all stages:
 *
 *   weights      the matrix, `rows` x `columns`              (drawn in lab/kit/int8.ts)
 *   activations  `tokens` vectors of `columns` values        (the same file)
 *   output       f32, `tokens` x `rows`: to be overwritten, whatever is in there
 *   worker       this worker's number, 0 .. workers - 1; in this stage there is one
 *   counter      a shared 32-bit word, 0 at the start
 *   scratch      64 KiB that no other worker touches
 *
 * `rows` is a multiple of 8 and `columns` a multiple of 32. Addresses are multiples of 16.
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
  let dot = 0;
  for (let k: usize = HEADER; k < stride(columns); k++) {
    dot += <i32>load<i8>(w + k) * <i32>load<i8>(x + k);
  }
  return load<f32>(w + BIAS) + load<f32>(w) * load<f32>(x) * <f32>dot;
}
