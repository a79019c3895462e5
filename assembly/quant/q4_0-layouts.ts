/**
 * Q4_0 in other layouts than q4_0.ts's: R rows interleaved in runs of B bytes, as llama.cpp's Q4_0_4_4, Q4_0_4_8 and
 * Q4_0_8_8 had them, and rows one after another. `nibble bench --layouts` compares them.
 *
 * A group of 8 rows, 144 bytes per block of 32 columns, is 8 / R strips; a strip is units, one per block, of 18 R bytes:
 *
 *   0    R x f16    d
 *   2R   16 R bytes: byte (j / B) B R + r B + j mod B is byte j of row r's block in the file, whose low nibble is
 *        column j and whose high nibble is column j + 16
 *
 *   R = 1, B = 16   rows     [r0 all]                       a vector is a row: 4 partial sums, on 8 strips
 *   R = 4, B = 4    4x4      [r0 k0-3][r1][r2][r3]          a vector is 4 rows, as in q4_0.ts, on 2 strips
 *   R = 4, B = 8    4x8      [r0 k0-7][r1 k0-7] [r2][r3]    a vector is 2 rows: 2 partial sums each, on 2 strips
 *   R = 8, B = 8    8x8      the same for 8 rows, one strip
 *
 * Sums of a block are whole numbers, and blocks are added in the same order and with the same operations as in
 * block32.ts: every layout gives the same bits.
 */
import { dotBias, dotStep, dotSum, f16Bits, f16ToF32, madd, pairwise, scaleUp } from '../isa';
import { X8_BYTES, X8_SCALE, X8_SUMS } from './activations';
import { highNibbles, lowNibbles } from './planes';
import * as q4_0 from './q4_0';
import { storeScale } from './repack';

export abstract class Interleaving {
  /** R: 1, 4 or 8. */
  abstract get rows(): i32;
  /** B: 4, 8 or 16. */
  abstract get run(): i32;
}

/** Bytes of a group, or of a unit of q4_0.ts, per block of 32 columns. */
const GROUP_BLOCK = 144;
const OFFSET = 8;

// @ts-ignore: decorator
@inline function unitBytes<F extends Interleaving>(f: F): usize {
  return 18 * f.rows;
}

/** Vector i (0..3) of rows 4v .. 4v + 3 in the units at w; `strip`: bytes from one strip to the next. */
// @ts-ignore: decorator
@inline function vector<F extends Interleaving>(f: F, w: usize, strip: usize, v: i32, i: i32): v128 {
  const rowsInVector = 16 / f.run, vectorsInRun = f.run >> 2;
  const row = (v << 2) + i % vectorsInRun * rowsInVector;
  const within = 2 * f.rows + i / vectorsInRun * f.rows * f.run + row % f.rows * f.run;
  return v128.load(w + strip * <usize>(row / f.rows) + <usize>within);
}

/** The scales of the first 4 rows of strips at w, or of all 8 where they are interleaved, i16x8. */
// @ts-ignore: decorator
@inline function scales<F extends Interleaving>(f: F, w: usize, strip: usize): v128 {
  if (f.rows > 1) return v128.load(w);
  let all = v128.load16_lane(w, i16x8.splat(0), 0);
  all = v128.load16_lane(w + strip, all, 1);
  all = v128.load16_lane(w + strip * 2, all, 2);
  return v128.load16_lane(w + strip * 3, all, 3);
}

/** Low nibbles meet the columns in `x`, high nibbles those in `y`, 16 further on. */
// @ts-ignore: decorator
@inline function dotBoth(acc: v128, x: v128, y: v128, bytes: v128): v128 {
  return dotStep(dotStep(acc, x, lowNibbles(bytes)), y, highNibbles(bytes));
}

/** Columns 8i .. 8i + 7 (or, where a vector is a whole row, 16i .. 16i + 15) of the activations, for every row of a vector. */
// @ts-ignore: decorator
@inline function columns<F extends Interleaving>(f: F, x: usize, i: usize): v128 {
  return f.run == 8 ? v128.load64_splat(x + (i << 3)) : v128.load(x + (i << 4));
}

/** What a vector's sums start from: the correction for stored - 8 once per row, and its other sums at 0. */
// @ts-ignore: decorator
@inline function start<F extends Interleaving>(f: F, x: usize): v128 {
  if (f.run == 4) return dotBias(v128.load32_splat(x, X8_SUMS), OFFSET);
  const bias = dotBias(v128.load32_zero(x, X8_SUMS), OFFSET);
  return f.run == 8 ? v128.shuffle<i64>(bias, bias, 0, 0) : bias;
}

/** The sums of a block for rows 4v .. 4v + 3, whose vectors are one or two whole rows; x0 .. x3: `columns`. */
// @ts-ignore: decorator
@inline function dotRows<F extends Interleaving>(
  f: F, w: usize, strip: usize, v: i32, bias: v128, x0: v128, x1: v128, x2: v128, x3: v128,
): v128 {
  if (f.run == 8) {
    const a = dotBoth(dotBoth(bias, x0, x2, vector(f, w, strip, v, 0)), x1, x3, vector(f, w, strip, v, 2));
    const b = dotBoth(dotBoth(bias, x0, x2, vector(f, w, strip, v, 1)), x1, x3, vector(f, w, strip, v, 3));
    return pairwise(a, b);
  }
  const a = pairwise(dotBoth(bias, x0, x1, vector(f, w, strip, v, 0)), dotBoth(bias, x0, x1, vector(f, w, strip, v, 1)));
  const b = pairwise(dotBoth(bias, x0, x1, vector(f, w, strip, v, 2)), dotBoth(bias, x0, x1, vector(f, w, strip, v, 3)));
  return pairwise(a, b);
}

// @ts-ignore: decorator
@inline function addBlock(y: v128, acc: v128, scale: v128, xScale: v128): v128 {
  return madd(f32x4.convert_i32x4_s(dotSum(acc)), f32x4.mul(scale, xScale), y);
}

/**
 * y += W x, as gemvBlock32 has it. Where 8 rows are interleaved, all of them and those of the other stream share the
 * activations in registers. Otherwise it is 4 and 4: memory is read strip after strip, in as few places at a time as can be.
 */
// @ts-ignore: decorator
@inline export function gemvLayout<F extends Interleaving>(
  a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32,
): void {
  const f = changetype<F>(0);
  const xEnd = x + <usize>blocks * X8_BYTES;
  const strip = <usize>blocks * unitBytes(f);
  const both = f.rows == 8;
  for (let quads = both ? groups : groups << 1; quads > 0; quads--) {
    let fa0 = v128.load(ya), fb0 = v128.load(yb);
    let fa1 = both ? v128.load(ya, 16) : fa0, fb1 = both ? v128.load(yb, 16) : fb0;
    for (let p = x; p < xEnd; p += X8_BYTES) {
      const bias = start(f, p);
      let a0 = bias, a1 = bias, b0 = bias, b1 = bias;
      if (f.run == 4) {
        let wa = a, wb = b, q = p;
        do {
          const s = v128.load32_splat(q), t = v128.load32_splat(q, 16);
          a0 = dotBoth(a0, s, t, vector(f, wa, strip, 0, 0));
          b0 = dotBoth(b0, s, t, vector(f, wb, strip, 0, 0));
          wa += f.rows << 2; wb += f.rows << 2; q += 4;
        } while (q < p + 16);
      } else {
        const x0 = columns(f, p, 0), x1 = columns(f, p, 1);
        const x2 = f.run == 8 ? columns(f, p, 2) : x0, x3 = f.run == 8 ? columns(f, p, 3) : x1;
        a0 = dotRows(f, a, strip, 0, bias, x0, x1, x2, x3);
        b0 = dotRows(f, b, strip, 0, bias, x0, x1, x2, x3);
        if (both) {
          a1 = dotRows(f, a, strip, 1, bias, x0, x1, x2, x3);
          b1 = dotRows(f, b, strip, 1, bias, x0, x1, x2, x3);
        }
      }
      const xScale = scaleUp(v128.load32_splat(p, X8_SCALE));
      const sa = scales(f, a, strip), sb = scales(f, b, strip);
      fa0 = addBlock(fa0, a0, f16Bits(sa, 0), xScale);
      fb0 = addBlock(fb0, b0, f16Bits(sb, 0), xScale);
      if (both) {
        fa1 = addBlock(fa1, a1, f16Bits(sa, 1), xScale);
        fb1 = addBlock(fb1, b1, f16Bits(sb, 1), xScale);
      }
      a += unitBytes(f);
      b += unitBytes(f);
    }
    v128.store(ya, fa0); v128.store(yb, fb0);
    if (both) { v128.store(ya, fa1, 16); v128.store(yb, fb1, 16); }
    if (f.rows == 1) { a += strip * 3; b += strip * 3; }
    ya += both ? 32 : 16; yb += both ? 32 : 16;
  }
}

/** Columns 4j .. 4j + 3, and those 16 further on, of rows 4v .. 4v + 3: a vector of q4_0.ts's nibble plane. */
// @ts-ignore: decorator
@inline function planeVector<F extends Interleaving>(f: F, w: usize, strip: usize, v: i32, j: i32): v128 {
  if (f.run == 4) return vector(f, w, strip, v, j);
  if (f.run == 8) {
    const a = vector(f, w, strip, v, j & 2), b = vector(f, w, strip, v, (j & 2) + 1);
    return j & 1 ? v128.shuffle<i32>(a, b, 1, 3, 5, 7) : v128.shuffle<i32>(a, b, 0, 2, 4, 6);
  }
  // A transposition: 4 rows of 4 words.
  const a = vector(f, w, strip, v, 0), b = vector(f, w, strip, v, 1), c = vector(f, w, strip, v, 2), d = vector(f, w, strip, v, 3);
  const ab = j < 2 ? v128.shuffle<i32>(a, b, 0, 4, 1, 5) : v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd = j < 2 ? v128.shuffle<i32>(c, d, 0, 4, 1, 5) : v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  return j & 1 ? v128.shuffle<i64>(ab, cd, 1, 3) : v128.shuffle<i64>(ab, cd, 0, 2);
}

/** Blocks that the GEMM converts at a time, as many as q4_0.ts's unpacks. */
const STRETCH = 16;

/**
 * Y += X W^T: a stretch of columns at a time is brought into the layout of q4_0.ts and goes through its GEMM, once for all
 * tokens. scratch: 16 x 144 bytes, then that GEMM's.
 */
// @ts-ignore: decorator
@inline export function gemmLayout<F extends Interleaving>(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  const f = changetype<F>(0);
  const strip = <usize>blocks * unitBytes(f);
  for (; blocks > 0; blocks -= STRETCH) {
    const count = min(STRETCH, blocks);
    let to = scratch;
    for (let end = w + <usize>count * unitBytes(f); w < end; w += unitBytes(f)) {
      for (let v = 0; v < 2; v++) {
        const plane = to + (v << 4);
        if (f.rows == 8) v128.store(to, scales(f, w, strip));
        else v128.store64_lane(to + (v << 3), scales(f, w + strip * <usize>((v << 2) / f.rows), strip), 0);
        v128.store(plane, planeVector(f, w, strip, v, 0), 16); v128.store(plane, planeVector(f, w, strip, v, 1), 48);
        v128.store(plane, planeVector(f, w, strip, v, 2), 80); v128.store(plane, planeVector(f, w, strip, v, 3), 112);
      }
      to += GROUP_BLOCK;
    }
    q4_0.gemm(scratch, x, xStride, y, yStride, tokens, count, scratch + STRETCH * GROUP_BLOCK);
    x += <usize>count * X8_BYTES;
  }
}

/** Where bytes 4j .. 4j + 3 of a row of a unit lie. */
// @ts-ignore: decorator
@inline function wordAt<F extends Interleaving>(f: F, row: i32, j: i32): usize {
  return 2 * f.rows + 4 * j / f.run * f.run * f.rows + row * f.run + 4 * j % f.run;
}

/** Row `row` of a group at w of `blocks` blocks: its part of the first unit, less what lies before that in the unit. */
// @ts-ignore: decorator
@inline function unitOf<F extends Interleaving>(f: F, w: usize, row: i32, blocks: i32): usize {
  return w + <usize>(row / f.rows * blocks) * unitBytes(f);
}

/** One row of a group as f32: all its `blocks` x 32 values, bit-exact as ggml defines them. */
// @ts-ignore: decorator
@inline export function dequantizeLayout<F extends Interleaving>(w: usize, row: i32, to: usize, blocks: i32): void {
  const f = changetype<F>(0);
  const lane = row % f.rows;
  for (let unit = unitOf(f, w, row, blocks); blocks > 0; blocks--) {
    const scale = f16ToF32(load<u16>(unit + (lane << 1)));
    for (let j = 0; j < 4; j++) {
      const word = load<u32>(unit + wordAt(f, lane, j));
      for (let k = 0; k < 4; k++) {
        const byte = word >> (k << 3);
        store<f32>(to + (k << 2), scale * <f32>(<i32>(byte & 15) - OFFSET));
        store<f32>(to + (k << 2), scale * <f32>(<i32>(byte >> 4 & 15) - OFFSET), 64);
      }
      to += 16;
    }
    unit += unitBytes(f);
    to += 64;
  }
}

/** Rows of the file as one group; see repackRows. */
// @ts-ignore: decorator
@inline export function repackLayout<F extends Interleaving>(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  const f = changetype<F>(0);
  let bad: u32 = 0;
  for (let row = 0; row < rows; row++) {
    const lane = row % f.rows;
    let block = from + <usize>row * rowBytes, unit = unitOf(f, to, row, blocks);
    for (const end = block + <usize>blocks * 18; block < end; block += 18) {
      bad |= storeScale(unit + (lane << 1), load<u16>(block));
      for (let j = 0; j < 4; j++) store<u32>(unit + wordAt(f, lane, j), load<u32>(block + 2 + (j << 2)));
      unit += unitBytes(f);
    }
  }
  return bad;
}
