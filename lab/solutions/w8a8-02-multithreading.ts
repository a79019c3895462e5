/** Stage w8a8-02: chunks of rows, taken from a shared counter. */
import { BIAS, HEADER, stride } from '../kit/int8';
import { nextChunk } from '../kit/workers';

/** Rows in a chunk: large enough that the counter costs nothing, small enough that no worker is left with the rest. */
const CHUNK_ROWS = 16;

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  const chunks = (rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
  for (let chunk = nextChunk(counter); chunk < chunks; chunk = nextChunk(counter)) {
    const begin = chunk * CHUNK_ROWS;
    const end = min(begin + CHUNK_ROWS, rows);
    for (let token = 0; token < tokens; token++) {
      const x = activations + <usize>token * stride(columns);
      const y = output + (<usize>(token * rows) << 2);
      for (let row = begin; row < end; row++) {
        store<f32>(y + (<usize>row << 2), dotRow(weights + <usize>row * stride(columns), x, columns));
      }
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
