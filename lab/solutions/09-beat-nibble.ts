/**
 * Stage 09: one kernel that comes near the engine's on x86. Stage 07 with the dot product that suits these processors:
 * two products to a 16-bit lane (pmaddubsw), and one i32x4.dot_i16x8_s with ones at the end of a block.
 */
import { BLOCK, X_BYTES, X_SCALE, X_SUM, xStride } from '../kit/activations';
import { BLOCK_BYTES, GROUP_ROWS, groupBytes, minimums, packed, scales } from '../kit/q4-groups';
import { nextChunk } from '../kit/workers';

/** Pairs of groups in a chunk. */
const CHUNK_PAIRS = 2;

const ONES: usize = memory.data<i16>([1, 1, 1, 1, 1, 1, 1, 1], 16);
/** A load is one instruction; V8 of Node 24 and later builds a vector constant anew at every use. */
const MASK: usize = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15], 16);

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  const groups = rows / GROUP_ROWS;
  // Groups p and p + pairs go together: two distant streams keep two of the CPU's prefetchers busy.
  const pairs = (groups + 1) / 2;
  const chunks = (pairs + CHUNK_PAIRS - 1) / CHUNK_PAIRS;
  for (let chunk = nextChunk(counter); chunk < chunks; chunk = nextChunk(counter)) {
    const begin = chunk * CHUNK_PAIRS, end = min(begin + CHUNK_PAIRS, pairs);
    for (let token = 0; token < tokens; token++) {
      const x = activations + <usize>token * xStride(columns);
      const y = output + (<usize>(token * rows) << 2);
      for (let a = begin; a < end; a++) {
        // With an odd number of groups the last one has no partner and is its own.
        const b = a + pairs < groups ? a + pairs : a;
        const wa = weights + <usize>a * groupBytes(columns), wb = weights + <usize>b * groupBytes(columns);
        dotTwoGroups(wa, wb, x, y + (<usize>a << 5), y + (<usize>b << 5), columns / BLOCK);
      }
    }
  }
}

/** Adds, for each of four rows, four products to that row's two 16-bit lanes: a block's 16 reach 30,480. */
// @ts-ignore: decorator
@inline function dot(x: v128, weights: v128, sums: v128): v128 {
  return i16x8.add(sums, i16x8.relaxed_dot_i8x16_i7x16_s(x, weights));
}

/** Two groups of eight rows times one token. */
function dotTwoGroups(a: usize, b: usize, x: usize, ya: usize, yb: usize, blocks: i32): void {
  let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
  const end = x + <usize>blocks * X_BYTES;
  for (; x < end; x += X_BYTES) {
    const mask = v128.load(MASK);
    let da0 = i32x4.splat(0), da1 = da0, db0 = da0, db1 = da0;
    for (let i = 0; i < 4; i++) {
      const x0 = v128.load32_splat(x + (<usize>i << 2)), x16 = v128.load32_splat(x + (<usize>i << 2) + 16);
      const pa0 = packed(a, i, 0), pa1 = packed(a, i, 1), pb0 = packed(b, i, 0), pb1 = packed(b, i, 1);
      da0 = dot(x0, v128.and(pa0, mask), da0); da1 = dot(x0, v128.and(pa1, mask), da1);
      db0 = dot(x0, v128.and(pb0, mask), db0); db1 = dot(x0, v128.and(pb1, mask), db1);
      da0 = dot(x16, v128.and(i16x8.shr_u(pa0, 4), mask), da0); da1 = dot(x16, v128.and(i16x8.shr_u(pa1, 4), mask), da1);
      db0 = dot(x16, v128.and(i16x8.shr_u(pb0, 4), mask), db0); db1 = dot(x16, v128.and(i16x8.shr_u(pb1, 4), mask), db1);
    }
    const xScale = v128.load32_splat(x + X_SCALE), xSum = v128.load32_splat(x + X_SUM);
    a0 = addBlock(a0, da0, a, 0, xScale, xSum); a1 = addBlock(a1, da1, a, 1, xScale, xSum);
    b0 = addBlock(b0, db0, b, 0, xScale, xSum); b1 = addBlock(b1, db1, b, 1, xScale, xSum);
    a += BLOCK_BYTES;
    b += BLOCK_BYTES;
  }
  v128.store(ya, a0); v128.store(ya, a1, 16);
  v128.store(yb, b0); v128.store(yb, b1, 16);
}

/** Adds a block's sums of four rows, scaled, and their minimums; multiply and add in one instruction. */
// @ts-ignore: decorator
@inline function addBlock(sums: v128, dots: v128, w: usize, v: i32, xScale: v128, xSum: v128): v128 {
  const both = f32x4.convert_i32x4_s(i32x4.dot_i16x8_s(dots, v128.load(ONES)));
  sums = f32x4.relaxed_madd(both, f32x4.mul(scales(w, v), xScale), sums);
  return f32x4.relaxed_madd(minimums(w, v), xSum, sums);
}
