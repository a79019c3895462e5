/** What Q2_K, Q4_K and Q5_K share: blocks with a scale and a minimum, both integers times those of the super-block. */
import { clamp, gather, laneBytes, nearest, nearestInt, positive, scatter, select, sumOfSquares, sums, weigh } from './lanes';
import { f16ToF32 } from '../isa';
import { toF16 } from './numbers';
import {
  AUX, BYTES, L, MINIMUMS, OFFSET, PAIRS, PAIR_L, PAIR_WEIGHTS, SCALES, STEP, TOTALS, WEIGHTS, X,
} from './scratch';
import { searchAffine, searchPositive } from './search';

// @ts-ignore: decorator
@inline function f32At(base: usize, i: usize): f32 {
  return load<f32>(base + (i << 2));
}

/** Weights without importance: |x|, with the block's root mean square added where errors count by their squares. */
function plainWeights(x: usize, n: i32, absolute: bool, to: usize): void {
  let squares = f32x4.splat(0);
  const bytes = laneBytes(n);
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(x + i);
    squares = f32x4.add(squares, f32x4.mul(v, v));
  }
  const mean = f32x4.sqrt(f32x4.div(squares, f32x4.splat(<f32>n)));
  for (let i: usize = 0; i < bytes; i += 16) {
    const a = f32x4.abs(v128.load(x + i));
    v128.store(to + i, absolute ? a : f32x4.add(mean, a));
  }
}

/**
 * Fits the blocks of `n` columns of a super-block: L, SCALES and MINIMUMS, with importance also TOTALS.
 * `importance`: of 256 columns, or 0.
 */
export function fitBlocks(
  x: usize, importance: usize, sigma2: f32, n: i32, most: i32, first: f32, delta: f32, steps: i32, absolute: bool, s: usize,
): void {
  const stride = <usize>n << 2, w = s + WEIGHTS;
  for (let block: usize = 0; block < <usize>(256 / n); block += 4) {
    const lanes = s + X + block * stride, at = block * stride, a = x + at;
    gather(a, a + stride, a + 2 * stride, a + 3 * stride, n, lanes);
    if (importance) {
      const q = importance + at;
      gather(q, q + stride, q + 2 * stride, q + 3 * stride, n, w);
      weigh(lanes, w, f32x4.splat(sigma2), n, w);
      v128.store(s + TOTALS + (block << 2), sums(w, n));
    } else plainWeights(lanes, n, absolute, w);
    const scales = searchAffine(
      lanes, w, s + L + at, s + AUX, n, most, first, delta, steps, absolute, s + MINIMUMS + (block << 2),
    );
    v128.store(s + SCALES + (block << 2), scales);
  }
}

/** Fits with importance: another, finer search, the same for all formats. */
export function fitImportant(x: usize, importance: usize, sigma2: f32, n: i32, most: i32, s: usize): void {
  fitBlocks(x, importance, sigma2, n, most, -0.9, 0.05, 36, false, s);
}

/** Mean square of a super-block. */
export function meanSquare(x: usize): f32 {
  return sumOfSquares(x, 256) / 256;
}

/** Quantizes SCALES and MINIMUMS to 0..most at PAIR_L (lanes 0 and 1); stores d and dmin as f16 at `to`. */
export function quantizePairs(blocks: i32, most: i32, s: usize, to: usize): void {
  for (let j: usize = 0; j < <usize>blocks; j++) {
    const minimum = f32x4.splat(f32At(s + MINIMUMS, j));
    v128.store(s + PAIRS + (j << 4), f32x4.replace_lane(minimum, 0, f32At(s + SCALES, j)));
    v128.store(s + PAIR_WEIGHTS + (j << 4), f32x4.splat(f32At(s + TOTALS, j)));
  }
  const d = searchPositive(s + PAIRS, s + PAIR_WEIGHTS, s + PAIR_L, blocks, most);
  store<u16>(to, toF16(f32x4.extract_lane(d, 0)));
  store<u16>(to, toF16(f32x4.extract_lane(d, 1)), 2);
}

/** The same by the largest alone. `wrap`: integers wrap at 256 and are cut at `most`, as 6-bit scales are in ggml. */
export function roundPairs(blocks: i32, most: i32, wrap: bool, s: usize, to: usize): void {
  let scale: f32 = 0, minimum: f32 = 0;
  for (let j: usize = 0; j < <usize>blocks; j++) {
    scale = max(scale, f32At(s + SCALES, j));
    minimum = max(minimum, f32At(s + MINIMUMS, j));
  }
  const inverseScale: f32 = scale > 0 ? <f32>most / scale : 0, inverseMinimum: f32 = minimum > 0 ? <f32>most / minimum : 0;
  for (let j: usize = 0; j < <usize>blocks; j++) {
    const at = s + PAIR_L + (j << 4);
    let l = nearestInt(inverseScale * f32At(s + SCALES, j)) & 255;
    store<i32>(at, wrap ? min(most, l) : l);
    l = nearestInt(inverseMinimum * f32At(s + MINIMUMS, j)) & 255;
    store<i32>(at, wrap ? min(most, l) : l, 4);
  }
  store<u16>(to, toF16(scale / <f32>most));
  store<u16>(to, toF16(minimum / <f32>most), 2);
}

/** Quantizes the columns anew with the scales that the file will hold, and puts the integers in order at BYTES. */
export function finishBlocks(n: i32, most: i32, d: u32, dmin: u32, s: usize): void {
  const blocks = <usize>(256 / n), stride = <usize>n << 2;
  for (let j: usize = 0; j < blocks; j++) {
    const at = s + PAIR_L + (j << 4);
    store<f32>(s + STEP + (j << 2), f16ToF32(d) * <f32>load<i32>(at));
    store<f32>(s + OFFSET + (j << 2), f16ToF32(dmin) * <f32>load<i32>(at, 4));
  }
  for (let block: usize = 0; block < blocks; block += 4) {
    const step = v128.load(s + STEP + (block << 2)), offset = v128.load(s + OFFSET + (block << 2));
    const used = f32x4.ne(step, f32x4.splat(0)), x = s + X + block * stride, l = s + L + block * stride;
    for (let i: usize = 0; i < laneBytes(n); i += 16) {
      const q = clamp(nearest(f32x4.div(f32x4.add(v128.load(x + i), offset), step)), 0, most);
      v128.store(l + i, select(used, q, v128.load(l + i)));
    }
    const to = s + BYTES + block * <usize>n;
    scatter(l, n, to, to + <usize>n, to + 2 * <usize>n, to + 3 * <usize>n);
  }
}
