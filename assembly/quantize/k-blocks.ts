/**
 * Q2_K, Q4_K, Q5_K: super-blocks of 256 columns whose blocks have a scale and a minimum. The bytes are drawn in
 * assembly/quant/q2_k.ts, q4_k.ts and q5_k.ts.
 */
import { finishBlocks, fitBlocks, fitImportant, meanSquare, quantizePairs, roundPairs } from './affine';
import { BYTES, PAIR_L } from './scratch';

export function quantizeQ2K(x: usize, importance: usize, to: usize, s: usize): void {
  const d = to + 80;
  if (importance) {
    fitImportant(x, importance, meanSquare(x), 16, 3, s);
    quantizePairs(16, 15, s, d);
  } else {
    fitBlocks(x, 0, 0, 16, 3, -0.5, 0.1, 15, true, s);
    roundPairs(16, 15, false, s, d);
  }
  for (let j: usize = 0; j < 16; j++) {
    const pair = s + PAIR_L + (j << 4), sc = load<u32>(pair) | (load<u32>(pair, 4) << 4);
    store<u8>(to + j, sc);
    // What the byte holds: a scale of more than 4 bits would run into the minimum.
    store<u32>(pair, sc & 15);
    store<u32>(pair, (sc >> 4) & 15, 4);
  }
  finishBlocks(16, 3, load<u16>(d), load<u16>(d, 2), s);
  packQ2K(s + BYTES, to);
}

/** 256 integers, bytes in the order of columns, into a block whose scales are written. */
export function packQ2K(from: usize, to: usize): void {
  storePairs(from, to + 16);
}

/** 256 integers of 2 bits as Q2_K and Q3_K pack them: byte l of 32 holds columns l, l + 32, l + 64 and l + 96. */
export function storePairs(from: usize, to: usize): void {
  for (let half: usize = 0; half < 2; half++) {
    for (let l: usize = 0; l < 32; l += 16) {
      const q = from + (half << 7) + l;
      const low = v128.or(v128.load(q), i8x16.shl(v128.load(q, 32), 2));
      const high = v128.or(i8x16.shl(v128.load(q, 64), 4), i8x16.shl(v128.load(q, 96), 6));
      v128.store(to + (half << 5) + l, v128.or(low, high));
    }
  }
}

/** Eight scales and minimums of 6 bits, from PAIR_L, in 12 bytes. */
function storeScales6(s: usize, to: usize): void {
  for (let j: usize = 0; j < 4; j++) {
    const a = s + PAIR_L + (j << 4), b = a + 64;
    const sc = load<u32>(a), m = load<u32>(a, 4), scHigh = load<u32>(b), mHigh = load<u32>(b, 4);
    store<u8>(to + j, sc | ((scHigh >> 4) << 6));
    store<u8>(to + j, m | ((mHigh >> 4) << 6), 4);
    store<u8>(to + j, (scHigh & 15) | ((mHigh & 15) << 4), 8);
  }
}

/** Scales, minimums and integers of eight blocks of 32: integers of 0..most at BYTES, 16 bytes of scales at `to`. */
// @ts-ignore: decorator
@inline function fitEight(x: usize, importance: usize, most: i32, first: f32, steps: i32, to: usize, s: usize): void {
  if (importance) {
    fitImportant(x, importance, 2 * meanSquare(x), 32, most, s);
    quantizePairs(8, 63, s, to);
  } else {
    fitBlocks(x, 0, 0, 32, most, first, 0.1, steps, false, s);
    roundPairs(8, 63, true, s, to);
  }
  storeScales6(s, to + 4);
  finishBlocks(32, most, load<u16>(to), load<u16>(to, 2), s);
}

export function quantizeQ4K(x: usize, importance: usize, to: usize, s: usize): void {
  fitEight(x, importance, 15, -1, 20, to, s);
  packQ4K(s + BYTES, to);
}

export function packQ4K(from: usize, to: usize): void {
  storeNibbles(from, to + 16);
}

/** Low nibbles of 256 bytes: byte l of the 32-byte run c holds columns 64 c + l and 64 c + 32 + l. */
function storeNibbles(from: usize, to: usize): void {
  const mask = i8x16.splat(15);
  for (let c: usize = 0; c < 4; c++) {
    for (let l: usize = 0; l < 32; l += 16) {
      const q = from + (c << 6) + l;
      v128.store(to + (c << 5) + l, v128.or(v128.and(v128.load(q), mask), i8x16.shl(v128.load(q, 32), 4)));
    }
  }
}

export function quantizeQ5K(x: usize, importance: usize, to: usize, s: usize): void {
  fitEight(x, importance, 31, -0.5, 15, to, s);
  packQ5K(s + BYTES, to);
}

export function packQ5K(from: usize, to: usize): void {
  storeNibbles(from, to + 48);
  // Bit j of byte l: the fifth bit of column 32 j + l.
  for (let l: usize = 0; l < 32; l += 16) {
    let bits = i8x16.splat(0);
    for (let j = 7; j >= 0; j--) {
      const high = i8x16.shr_u(v128.load(from + (<usize>j << 5) + l), 4);
      bits = v128.or(i8x16.shl(bits, 1), high);
    }
    v128.store(to + 16 + l, bits);
  }
}
