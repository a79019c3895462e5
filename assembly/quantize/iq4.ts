/**
 * IQ4_NL and IQ4_XS: 4-bit integers that stand for sixteen unevenly spaced values.
 *
 * IQ4_NL, block of 32 columns: see assembly/quant/iq4_nl.ts. IQ4_XS, super-block of 256, 136 bytes:
 *   0    f16        d
 *   2    u16        high two bits of the blocks' scales, block j at 2 j
 *   4    4 bytes    their low four bits, block j in nibble j
 *   8    8 x 16     nibbles of a block: low of column k, high of column k + 16
 * A block's weight is d * (scale - 32) * VALUES[q].
 */
import { clamp, gather, laneBytes, nearest, positive, scatter, select, sumOfSquares, weigh } from './lanes';
import { toF16 } from './numbers';
import { BYTES, INDEX, L, SCALES, WEIGHTS, X } from './scratch';
import { largest, negligible } from './search';

// @ts-ignore: decorator
@lazy const VALUES: usize = memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], 16);
/** The boundaries between two neighbours lie at halves: twice of them are integers from -231 to 202. */
const FIRST_TWICE = -231, LAST_TWICE = 202;

/** Fills INDEX: for every integer t from FIRST_TWICE - 1 to LAST_TWICE, the value nearest to t / 2 and a bit more. */
export function prepareIQ4(s: usize): void {
  let index: usize = 0;
  for (let twice = FIRST_TWICE - 1; twice <= LAST_TWICE; twice++) {
    // Of two equally near values, the upper one.
    while (index < 15 && twice >= <i32>load<i8>(VALUES + index) + <i32>load<i8>(VALUES + index + 1)) index++;
    store<u8>(s + INDEX + <usize>(twice - FIRST_TWICE + 1), <u8>index);
  }
}

/** Indices of the values nearest to x; `table`: INDEX. */
// @ts-ignore: decorator
@inline function indices(x: v128, table: usize): v128 {
  const twice = i32x4.trunc_sat_f32x4_s(f32x4.floor(f32x4.add(x, x)));
  const at = i32x4.sub(clamp(twice, FIRST_TWICE - 1, LAST_TWICE), i32x4.splat(FIRST_TWICE - 1));
  const a = load<u8>(table + i32x4.extract_lane(at, 0)), b = load<u8>(table + i32x4.extract_lane(at, 1));
  const c = load<u8>(table + i32x4.extract_lane(at, 2)), d = load<u8>(table + i32x4.extract_lane(at, 3));
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(a), 1, b), 2, c), 3, d);
}

/** The values of indices in the lanes, as f32. */
// @ts-ignore: decorator
@inline function valuesOf(index: v128): v128 {
  // The other bytes of a lane select VALUES[0]: shifted out, with the sign drawn in.
  const bytes = i8x16.swizzle(v128.load(VALUES), index);
  return f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(bytes, 24), 24));
}

/** Scales of the four blocks at X: least squares around those that map the largest value to -127. */
function searchScales(s: usize): v128 {
  const x = s + X, w = s + WEIGHTS, table = s + INDEX, none = f32x4.splat(0), max = largest(x, 32), zero = negligible(max);
  let inverse = f32x4.div(f32x4.splat(1), f32x4.div(f32x4.neg(max), f32x4.splat(-127)));
  let scale = none, best = none;
  // The first candidate is taken whatever it is; the others must be better.
  for (let step = -8; step <= 7; step++) {
    if (step > -8) inverse = f32x4.div(f32x4.splat(<f32>(step - 127)), max);
    let xq = none, qq = none;
    for (let i: usize = 0; i < laneBytes(32); i += 16) {
      const v = v128.load(x + i), q = valuesOf(indices(f32x4.mul(inverse, v), table)), wq = f32x4.mul(v128.load(w + i), q);
      xq = f32x4.add(xq, f32x4.mul(wq, v));
      qq = f32x4.add(qq, f32x4.mul(wq, q));
    }
    let better = positive(qq);
    if (step > -8) better = v128.and(better, f32x4.gt(f32x4.mul(xq, xq), f32x4.mul(best, qq)));
    const fitted = f32x4.div(xq, qq);
    scale = select(better, fitted, scale);
    best = select(better, f32x4.mul(fitted, xq), best);
  }
  return v128.andnot(scale, zero);
}

/** Weights of four blocks at X: with importance, or x^2. */
function weights(importance: bool, sigma2: v128, s: usize): void {
  if (importance) return weigh(s + X, s + WEIGHTS, sigma2, 32, s + WEIGHTS);
  for (let i: usize = 0; i < laneBytes(32); i += 16) {
    const v = v128.load(s + X + i);
    v128.store(s + WEIGHTS + i, f32x4.mul(v, v));
  }
}

/** Indices of four blocks at X, times the inverse scales, as bytes of the blocks at BYTES. */
function storeIndices(inverse: v128, s: usize): void {
  for (let i: usize = 0; i < laneBytes(32); i += 16) {
    v128.store(s + L + i, indices(f32x4.mul(inverse, v128.load(s + X + i)), s + INDEX));
  }
  scatter(s + L, 32, s + BYTES, s + BYTES + 32, s + BYTES + 64, s + BYTES + 96);
}

// @ts-ignore: decorator
@inline function inverses(scales: v128): v128 {
  const used = f32x4.ne(scales, f32x4.splat(0));
  return v128.and(f32x4.div(f32x4.splat(1), scales), used);
}

/** Nibbles of block k of four. */
// @ts-ignore: decorator
@inline function storeNibbles(k: usize, s: usize, to: usize): void {
  const q = s + BYTES + (k << 5);
  v128.store(to, v128.or(v128.load(q), i8x16.shl(v128.load(q, 16), 4)));
}

/** One row of `blocks` blocks. */
export function quantizeIQ4NL(x: usize, importance: usize, blocks: i32, to: usize, s: usize): void {
  for (let block = 0; block < blocks; block += 4) {
    const a = <usize>block << 7, last = <usize>(blocks - 1) << 7;
    const b = min(a + 128, last), c = min(a + 256, last), d = min(a + 384, last);
    gather(x + a, x + b, x + c, x + d, 32, s + X);
    let squares = f32x4.splat(0);
    if (importance) {
      gather(importance + a, importance + b, importance + c, importance + d, 32, s + WEIGHTS);
      for (let i: usize = 0; i < laneBytes(32); i += 16) {
        const v = v128.load(s + X + i);
        squares = f32x4.add(squares, f32x4.mul(v, v));
      }
    }
    weights(importance != 0, f32x4.mul(squares, f32x4.splat(<f32>2 / 32)), s);
    const scales = searchScales(s);
    v128.store(s + SCALES, scales);
    storeIndices(inverses(scales), s);
    for (let k = 0; k < min(4, blocks - block); k++) {
      store<u16>(to, toF16(load<f32>(s + SCALES + (<usize>k << 2))));
      storeNibbles(k, s, to + 2);
      to += 18;
    }
  }
}

export function quantizeIQ4XS(x: usize, importance: usize, to: usize, s: usize): void {
  const sigma2 = f32x4.splat(importance ? sumOfSquares(x, 256) * (<f32>2 / 256) : 0);
  let magnitude: f32 = 0, top: f32 = 0;
  for (let half: usize = 0; half < 2; half++) {
    gatherHalf(x, half, s + X);
    if (importance) gatherHalf(importance, half, s + WEIGHTS);
    weights(importance != 0, sigma2, s);
    v128.store(s + SCALES + (half << 4), searchScales(s));
  }
  for (let j: usize = 0; j < 8; j++) {
    const scale = load<f32>(s + SCALES + (j << 2));
    if (abs(scale) > magnitude) {
      magnitude = abs(scale);
      top = scale;
    }
  }
  const d = -top / 32, inverse: f32 = d != 0 ? 1 / d : 0;
  store<u16>(to, toF16(d));
  let high: u32 = 0, low: u32 = 0;
  for (let half: usize = 0; half < 2; half++) {
    const l = clamp(nearest(f32x4.mul(f32x4.splat(inverse), v128.load(s + SCALES + (half << 4)))), -32, 31);
    gatherHalf(x, half, s + X);
    storeIndices(inverses(f32x4.mul(f32x4.splat(d), f32x4.convert_i32x4_s(l))), s);
    v128.store(s + SCALES, l);
    for (let k: usize = 0; k < 4; k++) {
      const j = (half << 2) + k, scale = <u32>(load<i32>(s + SCALES + (k << 2)) + 32);
      low |= (scale & 15) << <u32>(j << 2);
      high |= (scale >> 4) << <u32>(j << 1);
      storeNibbles(k, s, to + 8 + (j << 4));
    }
  }
  store<u16>(to, high, 2);
  store<u32>(to, low, 4);
}

// @ts-ignore: decorator
@inline function gatherHalf(from: usize, half: usize, to: usize): void {
  const a = from + (half << 9);
  gather(a, a + 128, a + 256, a + 384, 32, to);
}
