/** Stage w8a8-03: 16 columns to a turn, in two widening multiplies. */
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
  let dots = i32x4.splat(0);
  for (let k: usize = HEADER; k < stride(columns); k += 16) {
    const a = v128.load(w + k), b = v128.load(x + k);
    // 128 * 128 fits in 16 bits once, not twice: the products widen to 32 bits before they meet.
    dots = i32x4.add(dots, i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_low_i8x16_s(a, b)));
    dots = i32x4.add(dots, i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_high_i8x16_s(a, b)));
  }
  const dot = i32x4.extract_lane(dots, 0) + i32x4.extract_lane(dots, 1)
    + i32x4.extract_lane(dots, 2) + i32x4.extract_lane(dots, 3);
  return load<f32>(w + BIAS) + load<f32>(w) * load<f32>(x) * <f32>dot;
}
