/** Stage 01: four rows at a time; what is loaded of x serves all four, and their sums do not wait for one another. */
import { BLOCK, X_BYTES, X_SCALE, X_SUM, xStride } from '../kit/activations';
import { BLOCK_BYTES, NIBBLES, minimum, rowBytes, scale } from '../kit/q4-rows';

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  for (let token = 0; token < tokens; token++) {
    const x = activations + <usize>token * xStride(columns);
    const y = output + (<usize>(token * rows) << 2);
    for (let row = 0; row < rows; row += 4) {
      dot4Rows(weights + <usize>row * rowBytes(columns), rowBytes(columns), x, y + (<usize>row << 2), columns / BLOCK);
    }
  }
}

/** Four rows, `stride` bytes apart, times one token: four sums at y. */
function dot4Rows(w0: usize, stride: usize, x: usize, y: usize, blocks: i32): void {
  let w1 = w0 + stride, w2 = w1 + stride, w3 = w2 + stride;
  let sum0: f32 = 0, sum1: f32 = 0, sum2: f32 = 0, sum3: f32 = 0;
  for (let b = 0; b < blocks; b++) {
    let dot0 = 0, dot1 = 0, dot2 = 0, dot3 = 0;
    //  to a turn: eight products that do not wait for one another share four loads of x.
    for (let j: usize = 0; j < 16; j += 4) {
      const xa = <i32>load<i8>(x + j), xb = <i32>load<i8>(x + j, 1);
      const xc = <i32>load<i8>(x + j, 2), xd = <i32>load<i8>(x + j, 3);
      const xe = <i32>load<i8>(x + j, 16), xf = <i32>load<i8>(x + j, 17);
      const xg = <i32>load<i8>(x + j, 18), xh = <i32>load<i8>(x + j, 19);
      dot0 += dot8(load<u32>(w0 + NIBBLES + j), xa, xb, xc, xd, xe, xf, xg, xh);
      dot1 += dot8(load<u32>(w1 + NIBBLES + j), xa, xb, xc, xd, xe, xf, xg, xh);
      dot2 += dot8(load<u32>(w2 + NIBBLES + j), xa, xb, xc, xd, xe, xf, xg, xh);
      dot3 += dot8(load<u32>(w3 + NIBBLES + j), xa, xb, xc, xd, xe, xf, xg, xh);
    }
    const xScale = load<f32>(x + X_SCALE), xSum = load<f32>(x + X_SUM);
    sum0 += scale(w0) * xScale * <f32>dot0 + minimum(w0) * xSum;
    sum1 += scale(w1) * xScale * <f32>dot1 + minimum(w1) * xSum;
    sum2 += scale(w2) * xScale * <f32>dot2 + minimum(w2) * xSum;
    sum3 += scale(w3) * xScale * <f32>dot3 + minimum(w3) * xSum;
    w0 += BLOCK_BYTES; w1 += BLOCK_BYTES; w2 += BLOCK_BYTES; w3 += BLOCK_BYTES;
    x += X_BYTES;
  }
  store<f32>(y, sum0); store<f32>(y, sum1, 4); store<f32>(y, sum2, 8); store<f32>(y, sum3, 12);
}

/** Four bytes of one row, eight nibbles, times their activations: `xa` .. `xd` for the low ones, `xe` .. `xh` for the high. */
// @ts-ignore: decorator
@inline function dot8(w: i32, xa: i32, xb: i32, xc: i32, xd: i32, xe: i32, xf: i32, xg: i32, xh: i32): i32 {
  return (w & 15) * xa + ((w >> 8) & 15) * xb + ((w >> 16) & 15) * xc + ((w >> 24) & 15) * xd
    + ((w >> 4) & 15) * xe + ((w >> 12) & 15) * xf + ((w >> 20) & 15) * xg + (w >>> 28) * xh;
}
