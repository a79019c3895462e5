/** The softmax of attention: one row's scores of one page of the cache at a time, 64 f32. */
import { maxLanes, sumLanes } from '../isa';
import { exp4, tanh4 } from './math';

/** Below any score, and finite: exp4(LOWEST - LOWEST) is 1, as the arithmetic below needs it. */
export const LOWEST: f32 = -1e30;

/** Lanes p .. p + 3 that lie in low .. high - 1. */
// @ts-ignore: decorator
@inline function seenLanes(p: i32, low: i32, high: i32): v128 {
  const at = i32x4.add(i32x4(0, 1, 2, 3), i32x4.splat(p));
  return v128.and(i32x4.ge_s(at, i32x4.splat(low)), i32x4.lt_s(at, i32x4.splat(high)));
}

/** The largest of a row's scores, of those that are seen; a NaN is passed over, and met by the sum. */
// @ts-ignore: decorator
@inline function largestOf(masked: bool, s: usize, end: i32, low: i32, high: i32): f32 {
  let largest = f32x4.splat(LOWEST);
  for (let p = 0; p < end; p += 4) {
    let x = v128.load(s + (<usize>p << 2));
    if (masked) x = v128.bitselect(x, f32x4.splat(LOWEST), seenLanes(p, low, high));
    largest = f32x4.pmax(largest, x);
  }
  return maxLanes(largest);
}

/** Scores become e^(score - maximum), those that are not seen 0. Returns their sum. */
// @ts-ignore: decorator
@inline function weights(masked: bool, s: usize, end: i32, maximum: f32, low: i32, high: i32): f32 {
  const m = f32x4.splat(maximum);
  let sum = f32x4.splat(0);
  for (let p = 0; p < end; p += 4) {
    let e = exp4(f32x4.sub(v128.load(s + (<usize>p << 2)), m));
    if (masked) e = v128.and(e, seenLanes(p, low, high));
    v128.store(s + (<usize>p << 2), e);
    sum = f32x4.add(sum, e);
  }
  return sumLanes(sum);
}

/**
 * One row's scores of a page become probabilities against the running maximum; positions outside low .. high - 1
 * count nothing. The row's sum and output are brought to the new maximum.
 */
export function softmaxPage(s: usize, running: usize, o: usize, width: i32, low: i32, high: i32, used: i32, softcap: f32): void {
  const end = (used + 3) & ~3;
  if (softcap > 0) {
    const cap = f32x4.splat(softcap), inverse = f32x4.splat(<f32>1 / softcap);
    for (let p: usize = 0; p < <usize>end << 2; p += 16) {
      v128.store(s + p, f32x4.mul(cap, tanh4(f32x4.mul(v128.load(s + p), inverse))));
    }
  }
  // Most pages are seen whole; masks cost as much as the exponentials.
  const before = load<f32>(running);
  const whole = low <= 0 && high >= end;
  const maximum = max(before, whole ? largestOf(false, s, end, low, high) : largestOf(true, s, end, low, high));
  const sum = whole ? weights(false, s, end, maximum, low, high) : weights(true, s, end, maximum, low, high);
  if (maximum > before) {
    const shrink = exp4(f32x4.splat(before - maximum));
    store<f32>(running, maximum);
    store<f32>(running, load<f32>(running, 4) * f32x4.extract_lane(shrink, 0), 4);
    for (let d: usize = 0, last = <usize>width << 2; d < last; d += 16) v128.store(o + d, f32x4.mul(v128.load(o + d), shrink));
  }
  store<f32>(running, load<f32>(running, 4) + sum, 4);
}

/** s *= scale over rows of 64 scores, the first `used` (rounded up to 4) of each. */
export function scaleScores(s: usize, rows: i32, used: i32, scale: f32): void {
  const factor = f32x4.splat(scale);
  for (let row = s, end = s + (<usize>rows << 8); row < end; row += 256) {
    for (let p = row, last = row + (<usize>((used + 3) & ~3) << 2); p < last; p += 16) {
      v128.store(p, f32x4.mul(v128.load(p), factor));
    }
  }
}

/** One row's scores of a page become r8(127 * softmax), with the maximum and the sum of all pages; those not seen 0. */
export function wholeProbabilities(s: usize, running: usize, low: i32, high: i32, used: i32): void {
  const m = v128.load32_splat(running), factor = f32x4.div(f32x4.splat(127), v128.load32_splat(running, 4));
  for (let p = 0, end = (used + 3) & ~3; p < end; p += 4) {
    const at = s + (<usize>p << 2);
    const e = f32x4.nearest(f32x4.mul(exp4(f32x4.sub(v128.load(at), m)), factor));
    v128.store(at, v128.and(e, seenLanes(p, low, high)));
  }
}
