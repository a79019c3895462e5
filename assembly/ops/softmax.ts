/** The softmax of attention: one row's scores of one page of the cache at a time, 64 f32. */
import { maxLanes, sumLanes } from '../isa';
import { exp4, tanh4 } from './math';

/** Below any score, and finite: exp4(LOWEST - LOWEST) is 1, as the arithmetic below needs it. */
export const LOWEST: f32 = -1e30;

/** Lanes whose position `at` lies in low .. high - 1. */
// @ts-ignore: decorator
@inline function seenLanes(at: v128, low: v128, high: v128): v128 {
  return v128.and(i32x4.ge_s(at, low), i32x4.lt_s(at, high));
}

/** The largest of a row's scores, of those that are seen; a NaN is passed over, and met by the sum. */
// @ts-ignore: decorator
@inline function largestOf(masked: bool, s: usize, end: usize, low: v128, high: v128): f32 {
  const lowest = f32x4.splat(LOWEST);
  let a = lowest, b = lowest;
  let at = i32x4(0, 1, 2, 3);
  for (; s < end; s += 32) {
    let x = v128.load(s), y = v128.load(s, 16);
    if (masked) {
      x = v128.bitselect(x, lowest, seenLanes(at, low, high));
      at = i32x4.add(at, i32x4.splat(4));
      y = v128.bitselect(y, lowest, seenLanes(at, low, high));
      at = i32x4.add(at, i32x4.splat(4));
    }
    a = f32x4.pmax(a, x);
    b = f32x4.pmax(b, y);
  }
  return maxLanes(f32x4.pmax(a, b));
}

/** Scores become e^(score - maximum), those that are not seen 0. Returns their sum. */
// @ts-ignore: decorator
@inline function weights(masked: bool, s: usize, end: usize, maximum: f32, low: v128, high: v128): f32 {
  const m = f32x4.splat(maximum);
  let sumA = f32x4.splat(0), sumB = sumA;
  // Two vectors side by side, which V8 may join to one.
  let atA = i32x4(0, 1, 2, 3), atB = i32x4(4, 5, 6, 7);
  for (; s < end; s += 32) {
    let a = exp4(f32x4.sub(v128.load(s), m)), b = exp4(f32x4.sub(v128.load(s, 16), m));
    if (masked) {
      a = v128.and(a, seenLanes(atA, low, high)); b = v128.and(b, seenLanes(atB, low, high));
      atA = i32x4.add(atA, i32x4.splat(8)); atB = i32x4.add(atB, i32x4.splat(8));
    }
    v128.store(s, a); v128.store(s, b, 16);
    sumA = f32x4.add(sumA, a); sumB = f32x4.add(sumB, b);
  }
  return sumLanes(f32x4.add(sumA, sumB));
}

/**
 * One row's scores of a page become probabilities against the running maximum; positions outside low .. high - 1
 * count nothing. The row's sum and output are brought to the new maximum.
 */
export function softmaxPage(s: usize, running: usize, o: usize, width: i32, low: i32, high: i32, used: i32, softcap: f32): void {
  // Two vectors at a time: what lies behind `used` is not seen.
  const count = (used + 7) & ~7, end = s + (<usize>count << 2);
  if (softcap > 0) {
    const cap = f32x4.splat(softcap), inverse = f32x4.splat(<f32>1 / softcap);
    for (let p = s; p < end; p += 16) v128.store(p, f32x4.mul(cap, tanh4(f32x4.mul(v128.load(p), inverse))));
  }
  // Most pages are seen whole; masks cost as much as the exponentials.
  const before = load<f32>(running), first = i32x4.splat(low), last = i32x4.splat(high);
  const whole = low <= 0 && high >= count;
  const maximum = max(before, whole ? largestOf(false, s, end, first, last) : largestOf(true, s, end, first, last));
  const sum = whole ? weights(false, s, end, maximum, first, last) : weights(true, s, end, maximum, first, last);
  if (maximum > before) {
    const shrink = exp4(f32x4.splat(before - maximum));
    store<f32>(running, maximum);
    store<f32>(running, load<f32>(running, 4) * f32x4.extract_lane(shrink, 0), 4);
    for (let d: usize = 0, bytes = <usize>width << 2; d < bytes; d += 16) v128.store(o + d, f32x4.mul(v128.load(o + d), shrink));
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
  const first = i32x4.splat(low), last = i32x4.splat(high);
  let at = i32x4(0, 1, 2, 3);
  for (const end = s + (<usize>((used + 3) & ~3) << 2); s < end; s += 16) {
    const e = f32x4.nearest(f32x4.mul(exp4(f32x4.sub(v128.load(s), m)), factor));
    v128.store(s, v128.and(e, seenLanes(at, first, last)));
    at = i32x4.add(at, i32x4.splat(4));
  }
}
