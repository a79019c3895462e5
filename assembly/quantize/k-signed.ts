/**
 * Q3_K, Q6_K: super-blocks of 256 columns of sixteen blocks with a signed scale and no minimum. The bytes are drawn in
 * assembly/quant/q3_k.ts and q6_k.ts.
 */
import { f16ToF32 } from '../isa';
import { storePairs } from './k-blocks';
import { clamp, gather, laneBytes, nearest, nearestInt, scatter, select, sumOfSquares, sums, weigh } from './lanes';
import { toF16 } from './numbers';
import { BYTES, L, PAIRS, PAIR_L, PAIR_WEIGHTS, SCALES, STEP, TOTALS, WEIGHTS, X } from './scratch';
import { searchSigned, searchStepwise } from './search';

/** 1e-15, as in search.ts: a super-block whose scales are all below is zero. */
const LEAST: f32 = 1e-15;
const BLOCK_BYTES: usize = 64; // 16 f32

// @ts-ignore: decorator
@inline function gatherBlocks(from: usize, block: usize, to: usize): void {
  const a = from + block * BLOCK_BYTES;
  gather(a, a + BLOCK_BYTES, a + 2 * BLOCK_BYTES, a + 3 * BLOCK_BYTES, 16, to);
}

function squares(x: usize, to: usize): void {
  for (let i: usize = 0; i < laneBytes(16); i += 16) {
    const v = v128.load(x + i);
    v128.store(to + i, f32x4.mul(v, v));
  }
}

/** The scale of largest magnitude, the first of equals. */
function largestScale(s: usize): f32 {
  let magnitude: f32 = 0, value: f32 = 0;
  for (let at = s + SCALES, end = at + 64; at < end; at += 4) {
    const scale = load<f32>(at);
    if (abs(scale) > magnitude) {
      magnitude = abs(scale);
      value = scale;
    }
  }
  return value;
}

/** Quantizes the columns anew with the steps at STEP to 0 .. 2 most - 1, and puts the integers in order at BYTES. */
function finishBlocks(most: i32, s: usize): void {
  const offset = i32x4.splat(most);
  for (let block: usize = 0; block < 16; block += 4) {
    const step = v128.load(s + STEP + (block << 2)), used = f32x4.ne(step, f32x4.splat(0));
    const x = s + X + block * BLOCK_BYTES, l = s + L + block * BLOCK_BYTES;
    for (let i: usize = 0; i < laneBytes(16); i += 16) {
      const q = i32x4.add(clamp(nearest(f32x4.div(v128.load(x + i), step)), -most, most - 1), offset);
      v128.store(l + i, select(used, q, v128.load(l + i)));
    }
    const to = s + BYTES + (block << 4);
    scatter(l, 16, to, to + 16, to + 32, to + 48);
  }
}

export function quantizeQ3K(x: usize, importance: usize, to: usize, s: usize): void {
  const sigma2: f32 = importance ? sumOfSquares(x, 256) / 128 : 0;
  for (let block: usize = 0; block < 16; block += 4) {
    const lanes = s + X + block * BLOCK_BYTES, l = s + L + block * BLOCK_BYTES, w = s + WEIGHTS;
    gatherBlocks(x, block, lanes);
    let scales: v128;
    if (importance) {
      gatherBlocks(importance, block, w);
      weigh(lanes, w, f32x4.splat(sigma2), 16, w);
      v128.store(s + TOTALS + (block << 2), sums(w, 16));
      scales = searchSigned(lanes, w, l, 16, 4);
    } else scales = searchStepwise(lanes, l, 16, 4);
    v128.store(s + SCALES + (block << 2), scales);
  }
  const d = importance ? searchScales(s) : roundScales(s);
  store<u16>(to, toF16(d), 108);
  const written = f16ToF32(load<u16>(to, 108));
  memory.fill(to + 96, 0, 12);
  for (let j: usize = 0; j < 16; j++) {
    const sc = load<u32>(s + PAIR_L + (j << 4));
    // Low nibbles of 0..7 and 8..15 side by side, then the high pairs of bits of j, j + 4, j + 8 and j + 12.
    const low = to + 96 + (j & 7), high = to + 104 + (j & 3);
    store<u8>(low, load<u8>(low) | ((sc & 15) << <u32>(j & 8 ? 4 : 0)));
    store<u8>(high, load<u8>(high) | ((sc >> 4) << <u32>((j >> 2) << 1)));
    store<f32>(s + STEP + (j << 2), written * <f32>(<i32>sc - 32));
  }
  finishBlocks(4, s);
  packQ3K(s + BYTES, to);
}

/** 256 integers, bytes in the order of columns, into a block whose scales are written; they lose their third bits. */
export function packQ3K(from: usize, to: usize): void {
  storeHighBits(from, to);
  storePairs(from, to + 32);
}

/** Integers 0..63 of the sixteen scales at PAIR_L (lane 0), with the blocks' weights; returns d. */
function searchScales(s: usize): f32 {
  for (let j: usize = 0; j < 16; j++) {
    v128.store(s + PAIRS + (j << 4), f32x4.splat(load<f32>(s + SCALES + (j << 2))));
    v128.store(s + PAIR_WEIGHTS + (j << 4), f32x4.splat(load<f32>(s + TOTALS + (j << 2))));
  }
  return f32x4.extract_lane(searchSigned(s + PAIRS, s + PAIR_WEIGHTS, s + PAIR_L, 16, 32), 0);
}

/** The same by the largest alone. */
function roundScales(s: usize): f32 {
  const top = largestScale(s);
  const inverse: f32 = top != 0 ? <f32>-32 / top : 0;
  for (let j: usize = 0; j < 16; j++) {
    const l = <i32><i8>nearestInt(inverse * load<f32>(s + SCALES + (j << 2)));
    store<i32>(s + PAIR_L + (j << 4), top != 0 ? max(-32, min(31, l)) + 32 : 0);
  }
  return top != 0 ? 1 / inverse : 0;
}

/** Bit j of byte l: the third bit of column 32 j + l, which is taken off the integers. */
function storeHighBits(from: usize, to: usize): void {
  for (let l: usize = 0; l < 32; l += 16) {
    let bits = i8x16.splat(0);
    for (let j = 7; j >= 0; j--) {
      const at = from + (<usize>j << 5) + l, q = v128.load(at);
      bits = v128.or(i8x16.shl(bits, 1), i8x16.shr_u(q, 2));
      v128.store(at, v128.and(q, i8x16.splat(3)));
    }
    v128.store(to + l, bits);
  }
}

export function quantizeQ6K(x: usize, importance: usize, to: usize, s: usize): void {
  for (let block: usize = 0; block < 16; block += 4) {
    const lanes = s + X + block * BLOCK_BYTES, w = s + WEIGHTS;
    gatherBlocks(x, block, lanes);
    if (importance) gatherBlocks(importance, block, w);
    else squares(lanes, w);
    v128.store(s + SCALES + (block << 2), searchSigned(lanes, w, s + L + block * BLOCK_BYTES, 16, 32));
  }
  const top = largestScale(s);
  if (abs(top) < LEAST) {
    memory.fill(to, 0, 210);
    return;
  }
  const inverse = <f32>-128 / top;
  store<u16>(to, toF16(1 / inverse), 208);
  const d = f16ToF32(load<u16>(to, 208));
  for (let j: usize = 0; j < 16; j++) {
    const sc = <i8>min(127, nearestInt(inverse * load<f32>(s + SCALES + (j << 2))));
    store<i8>(to + 192 + j, sc);
    store<f32>(s + STEP + (j << 2), d * <f32>sc);
  }
  finishBlocks(32, s);
  packQ6K(s + BYTES, to);
}

export function packQ6K(from: usize, to: usize): void {
  // Of each half: low nibbles of l and l + 64, of l + 32 and l + 96; then the pairs of high bits of all four.
  const mask = i8x16.splat(15);
  for (let half: usize = 0; half < 2; half++) {
    for (let l: usize = 0; l < 32; l += 16) {
      const q = from + (half << 7) + l;
      const a = v128.load(q), b = v128.load(q, 32), c = v128.load(q, 64), e = v128.load(q, 96);
      v128.store(to + (half << 6) + l, v128.or(v128.and(a, mask), i8x16.shl(c, 4)));
      v128.store(to + (half << 6) + l, v128.or(v128.and(b, mask), i8x16.shl(e, 4)), 32);
      const ab = v128.or(i8x16.shr_u(a, 4), i8x16.shl(i8x16.shr_u(b, 4), 2));
      const ce = v128.or(i8x16.shl(i8x16.shr_u(c, 4), 4), i8x16.shl(i8x16.shr_u(e, 4), 6));
      v128.store(to + 128 + (half << 5) + l, v128.or(ab, ce));
    }
  }
}
