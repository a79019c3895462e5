/** Stage w8a8-01: four rows at a time, four columns to a turn of the loop. */
import { BIAS, HEADER, stride } from '../kit/int8';

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  for (let token = 0; token < tokens; token++) {
    const x = activations + <usize>token * stride(columns);
    const y = output + (<usize>(token * rows) << 2);
    for (let row = 0; row < rows; row += 4) {
      dot4Rows(weights + <usize>row * stride(columns), stride(columns), x, y + (<usize>row << 2));
    }
  }
}

/** Four rows, `bytes` bytes apart, times one token: four sums at y. */
function dot4Rows(w0: usize, bytes: usize, x: usize, y: usize): void {
  const w1 = w0 + bytes, w2 = w1 + bytes, w3 = w2 + bytes;
  let dot0 = 0, dot1 = 0, dot2 = 0, dot3 = 0;
  for (let k: usize = HEADER; k < bytes; k += 4) {
    const xa = <i32>load<i8>(x + k), xb = <i32>load<i8>(x + k, 1);
    const xc = <i32>load<i8>(x + k, 2), xd = <i32>load<i8>(x + k, 3);
    dot0 += dot4(w0 + k, xa, xb, xc, xd);
    dot1 += dot4(w1 + k, xa, xb, xc, xd);
    dot2 += dot4(w2 + k, xa, xb, xc, xd);
    dot3 += dot4(w3 + k, xa, xb, xc, xd);
  }
  finish(y, dot0, w0, x);
  finish(y + 4, dot1, w1, x);
  finish(y + 8, dot2, w2, x);
  finish(y + 12, dot3, w3, x);
}

// @ts-ignore: decorator
@inline function dot4(w: usize, xa: i32, xb: i32, xc: i32, xd: i32): i32 {
  return <i32>load<i8>(w) * xa + <i32>load<i8>(w, 1) * xb + <i32>load<i8>(w, 2) * xc + <i32>load<i8>(w, 3) * xd;
}

/** A row's sum of products as a value: scaled, with its bias. */
// @ts-ignore: decorator
@inline function finish(y: usize, dot: i32, w: usize, x: usize): void {
  store<f32>(y, load<f32>(w + BIAS) + load<f32>(w) * load<f32>(x) * <f32>dot);
}
