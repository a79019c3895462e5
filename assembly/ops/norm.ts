/** RMSNorm and LayerNorm of one row of f32. Widths are multiples of 4. */
import { madd, sumLanes } from '../isa';
import { NORM_LAYER } from '../record';

/** Four sums take turns: one would wait for itself. */
function sumOfSquares(x: usize, width: i32, mean: f32): f32 {
  const m = f32x4.splat(mean), end = x + (<usize>width << 2), whole = x + (<usize>(width & ~15) << 2);
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (; x < whole; x += 64) {
    const v0 = f32x4.sub(v128.load(x), m), v1 = f32x4.sub(v128.load(x, 16), m);
    const v2 = f32x4.sub(v128.load(x, 32), m), v3 = f32x4.sub(v128.load(x, 48), m);
    a = madd(v0, v0, a); b = madd(v1, v1, b);
    c = madd(v2, v2, c); d = madd(v3, v3, d);
  }
  for (; x < end; x += 16) {
    const v = f32x4.sub(v128.load(x), m);
    a = madd(v, v, a);
  }
  return sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
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
  const m = f32x4.splat(mean), end = <usize>width << 2;
  // Nearly all: V8 would leave the tests below in the loop, which take it four times as long.
  if (kind != NORM_LAYER && weight && !bias) {
    for (let offset: usize = 0; offset < end; offset += 16) {
      v128.store(to + offset, f32x4.mul(f32x4.mul(v128.load(x + offset), factor), v128.load(weight + offset)));
    }
    return;
  }
  for (let offset: usize = 0; offset < end; offset += 16) {
    let v = f32x4.mul(f32x4.sub(v128.load(x + offset), m), factor);
    if (weight) v = f32x4.mul(v, v128.load(weight + offset));
    if (bias) v = f32x4.add(v, v128.load(bias + offset));
    v128.store(to + offset, v);
  }
}
