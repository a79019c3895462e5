/** RMSNorm and LayerNorm of one row of f32. Widths are multiples of 4. */
import { madd, sumLanes } from '../isa';
import { NORM_LAYER } from '../record';

function sumOfSquares(x: usize, width: i32, mean: f32): f32 {
  const m = f32x4.splat(mean);
  let sum = f32x4.splat(0);
  for (let p = x, end = x + (<usize>width << 2); p < end; p += 16) {
    const v = f32x4.sub(v128.load(p), m);
    sum = madd(v, v, sum);
  }
  return sumLanes(sum);
}

function meanOf(x: usize, width: i32): f32 {
  let sum = f32x4.splat(0);
  for (let p = x, end = x + (<usize>width << 2); p < end; p += 16) sum = f32x4.add(sum, v128.load(p));
  return sumLanes(sum) / <f32>width;
}

/**
 * to = (x - mean) / sqrt(variance + epsilon) * weight + bias, where mean is 0 for RMSNorm; weight and bias
 * may be 0 (absent). In place is fine.
 */
export function normRow(kind: u32, x: usize, to: usize, width: i32, weight: usize, bias: usize, epsilon: f32): void {
  const mean: f32 = kind == NORM_LAYER ? meanOf(x, width) : 0;
  const factor = f32x4.splat(<f32>1 / sqrt<f32>(sumOfSquares(x, width, mean) / <f32>width + epsilon));
  const m = f32x4.splat(mean);
  for (let offset: usize = 0, end = <usize>width << 2; offset < end; offset += 16) {
    let v = f32x4.mul(f32x4.sub(v128.load(x + offset), m), factor);
    if (weight) v = f32x4.mul(v, v128.load(weight + offset));
    if (bias) v = f32x4.add(v, v128.load(bias + offset));
    v128.store(to + offset, v);
  }
}
