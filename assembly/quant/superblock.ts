/**
 * The K formats (and, with SDOT, IQ4_XS), and their GEMV (the GEMM is in superblock-gemm.ts): super-blocks of 256 columns with f16 scales d (and dmin), divided into
 * 8 blocks of 32 columns with small integer scales (and minimums), for 16 or 32 columns each.
 *
 * One super-block of a group of 8 rows:
 *
 *   [d: 8 x f16][dmin: 8 x f16, where there are minimums][block 0]..[block 7]
 *   block: [integer scales][weight planes, see planes.ts]
 *
 * A format is a class of inlined methods over the address `h` of a super-block or `w` of one of its blocks;
 * `half` selects columns 0..15 or 16..31 of the block.
 *
 * Arithmetic per row and super-block, in this order in every kernel:
 *   s = sum over blocks: (sum over halves: scale * dot) * scale_x     y += s * d
 *   m = sum over blocks, halves: minimum * sum_x                      y += m * -dmin
 * The sum over halves is an exact integer, also as f32: at most 2^24 (Q6_K: 32 x 32 x 128 x 128).
 */
import { DOT4, dotBias, dotStep, dotSum, f16Bits, f16ToF32, madd, scaleUp, sumsLess, wholeSum } from '../isa';
import { Packed, column, repackRows } from './repack';
import { dotBlock, fromRegisters, lane, looped, quarter, repeated } from './steps';
import { X8_BYTES, X8_SUMS_LOW, X8_SUMS, X8_SCALE, X8_SUM } from './activations';

export abstract class SuperBlock extends Packed {
  // `pack` brings in a row's scales, minimums and bit planes; its other planes come four rows at a time, in parts:
  /** 8: the words of a block's nibbles are interleaved as they are; 16: a block has two halves of 16 columns. */
  abstract get parts(): i32;
  /** A vector of words (steps) of a part, from a row of the file's super-block at `from`. */
  abstract words(from: usize, part: usize): v128;
  /** Writes these words of four rows, word i in s(i), into the planes of the block at w. */
  abstract place(w: usize, half: usize, s0: v128, s1: v128, s2: v128, s3: v128): void;
  /** Bytes of one block of 8 rows x 32 columns. */
  abstract get blockBytes(): usize;
  /** Subtracted from each stored weight. */
  abstract get offset(): i32;
  abstract get hasMinimum(): bool;
  /** The weights lie in a nibble plane alone, of which every step is unpacked alike. */
  abstract get plain(): bool;
  /** Scales (and minimums) belong to 16 columns instead of 32. */
  abstract get sixteen(): bool;
  /** Sums must be emptied after 4 steps: 8 would overflow 16 bits (or the scale changes). */
  abstract get split(): bool;
  /** Integer scales of 8 rows, i16x8. */
  abstract scales(w: usize, half: i32): v128;
  /** Integer minimums of 8 rows, i16x8. */
  abstract minimums(w: usize, half: i32): v128;
  /** One integer scale, for dequantization. */
  abstract rowScale(w: usize, row: i32, half: i32): i32;
  abstract rowMinimum(w: usize, row: i32, half: i32): i32;
  /** 4 rows x 4 columns of weights, 0..63 (or, where signedDot() says so, -128..127), one byte each, rows outermost. */
  abstract weights(w: usize, v: i32, i: i32): v128;
}

// @ts-ignore: decorator
@inline export function headerBytes<F extends SuperBlock>(f: F): usize {
  return f.hasMinimum ? 32 : 16;
}

// @ts-ignore: decorator
@inline export function superBlockBytes<F extends SuperBlock>(f: F): usize {
  return headerBytes(f) + 8 * f.blockBytes;
}

/** Whether sums are emptied after 4 steps: with sums of 32 bits, only where the scale changes. */
// @ts-ignore: decorator
@inline export function halved<F extends SuperBlock>(f: F): bool {
  return VARIANT == DOT4 ? f.sixteen : f.split;
}

/** Start of an accumulator: for the first or second half of a block, or for all of it. */
// @ts-ignore: decorator
@inline export function start<F extends SuperBlock>(f: F, x: usize, half: i32): v128 {
  if (!f.offset) return i32x4.splat(0);
  const low = v128.load32_splat(x, X8_SUMS_LOW);
  if (half) return dotBias(sumsLess(v128.load32_splat(x, X8_SUMS), low), f.offset);
  return dotBias(low, f.offset);
}

/** Sum of the activations that a minimum belongs to, as f32x4. */
// @ts-ignore: decorator
@inline export function activationSum<F extends SuperBlock>(f: F, x: usize, half: i32): v128 {
  if (!f.sixteen) return v128.load32_splat(x, X8_SUM);
  let sums = v128.load32_splat(x, X8_SUMS_LOW);
  if (half) sums = sumsLess(v128.load32_splat(x, X8_SUMS), sums);
  return f32x4.mul(f32x4.convert_i32x4_s(wholeSum(sums)), v128.load32_splat(x, X8_SCALE));
}

/** The last of the block's activationSum, from the registers that hold its numbers (ARM) or from memory. */
// @ts-ignore: decorator
@inline function sumOf<F extends SuperBlock>(f: F, numbers: v128, x: usize): v128 {
  return fromRegisters() && !f.sixteen ? lane(numbers, 1) : activationSum(f, x, 1);
}

/** Rows 4v .. 4v + 3 of eight i16, as i32x4. V8 joins the two halves of one vector to 256 bits. */
// @ts-ignore: decorator
@inline export function four(eight: v128, v: i32): v128 {
  return v == 0 ? i32x4.extend_low_i16x8_s(eight) : i32x4.extend_high_i16x8_s(eight);
}

// @ts-ignore: decorator
@inline export function minimum<F extends SuperBlock>(f: F, w: usize, v: i32, half: i32): v128 {
  return f32x4.convert_i32x4_s(four(f.minimums(w, half), v));
}

/** scale * dot, the scale as i32x4. */
// @ts-ignore: decorator
@inline function scaled(acc: v128, scale: v128): v128 {
  return i32x4.mul(dotSum(acc), scale);
}

/** s += (first half's + scale * dot) * scale_x. */
// @ts-ignore: decorator
@inline function addScaled<F extends SuperBlock>(f: F, s: v128, half: v128, acc: v128, scale: v128, xScale: v128): v128 {
  const sum = scaled(acc, scale);
  return madd(f32x4.convert_i32x4_s(halved(f) ? i32x4.add(half, sum) : sum), xScale, s);
}

/** m += minimum * sum of the activations, for the rows of one row vector and one block. */
// @ts-ignore: decorator
@inline export function addMinimums<F extends SuperBlock>(f: F, m: v128, w: usize, v: i32, low: v128, all: v128): v128 {
  if (f.sixteen) m = madd(minimum(f, w, v, 0), low, m);
  return madd(minimum(f, w, v, 1), all, m);
}

/** The four steps of a half, whose activations are s0..s3, for the rows of one row vector. */
// @ts-ignore: decorator
@inline function dotSteps<F extends SuperBlock>(f: F, w: usize, v: i32, half: i32, acc: v128, s0: v128, s1: v128, s2: v128, s3: v128): v128 {
  acc = dotStep(acc, s0, f.weights(w, v, 4 * half)); acc = dotStep(acc, s1, f.weights(w, v, 4 * half + 1));
  acc = dotStep(acc, s2, f.weights(w, v, 4 * half + 2)); return dotStep(acc, s3, f.weights(w, v, 4 * half + 3));
}

/** y += W x for `groups` row groups at `a` and as many at `b`; see gemvBlock32. */
// @ts-ignore: decorator
@inline export function gemvSuperBlock<F extends SuperBlock>(
  a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32,
): void {
  const f = changetype<F>(0);
  const xEnd = x + <usize>blocks * X8_BYTES;
  for (let g = 0; g < groups; g++) {
    let fa0 = v128.load(ya), fa1 = v128.load(ya, 16), fb0 = v128.load(yb), fb1 = v128.load(yb, 16);
    let p = x;
    while (p < xEnd) {
      const ha = v128.load(a), hb = v128.load(b);
      const la = f.hasMinimum ? v128.load(a, 16) : ha, lb = f.hasMinimum ? v128.load(b, 16) : hb;
      const superEnd = p + 8 * X8_BYTES;
      let sa0 = f32x4.splat(0), sa1 = sa0, sb0 = sa0, sb1 = sa0;
      let ma0 = sa0, ma1 = sa0, mb0 = sa0, mb1 = sa0;
      a += headerBytes(f);
      b += headerBytes(f);
      let a2 = a, b2 = b;
      do {
        const numbers = quarter(p + 32);
        const xScale = repeated(numbers, p, 8);
        const scaleA = f.scales(a, 0), scaleB = f.scales(b, 0);
        let ca0 = four(scaleA, 0), ca1 = four(scaleA, 1), cb0 = four(scaleB, 0), cb1 = four(scaleB, 1);
        let a0 = start(f, p, 0), a1 = a0, b0 = a0, b1 = a0;
        let ta0 = a0, ta1 = a0, tb0 = a0, tb1 = a0;
        if (looped(f.plain)) {
          const stepsEnd = p + 16;
          let wa = a, wb = b, q = p;
          do {
            let s = v128.load32_splat(q);
            a0 = dotStep(a0, s, f.weights(wa, 0, 0)); a1 = dotStep(a1, s, f.weights(wa, 1, 0));
            b0 = dotStep(b0, s, f.weights(wb, 0, 0)); b1 = dotStep(b1, s, f.weights(wb, 1, 0));
            s = v128.load32_splat(q, 16);
            a0 = dotStep(a0, s, f.weights(wa, 0, 4)); a1 = dotStep(a1, s, f.weights(wa, 1, 4));
            b0 = dotStep(b0, s, f.weights(wb, 0, 4)); b1 = dotStep(b1, s, f.weights(wb, 1, 4));
            wa += 32; wb += 32; q += 4;
          } while (q < stepsEnd);
        } else {
          const low = quarter(p), high = quarter(p + 16);
          let s0 = repeated(low, p, 0), s1 = repeated(low, p, 1), s2 = repeated(low, p, 2), s3 = repeated(low, p, 3);
          if (halved(f)) {
            a0 = dotSteps(f, a, 0, 0, a0, s0, s1, s2, s3); a1 = dotSteps(f, a, 1, 0, a1, s0, s1, s2, s3);
            b0 = dotSteps(f, b, 0, 0, b0, s0, s1, s2, s3); b1 = dotSteps(f, b, 1, 0, b1, s0, s1, s2, s3);
            ta0 = scaled(a0, ca0); ta1 = scaled(a1, ca1); tb0 = scaled(b0, cb0); tb1 = scaled(b1, cb1);
            a0 = start(f, p, 1); a1 = a0; b0 = a0; b1 = a0;
            s0 = repeated(high, p, 4); s1 = repeated(high, p, 5); s2 = repeated(high, p, 6); s3 = repeated(high, p, 7);
            a0 = dotSteps(f, a2, 0, 1, a0, s0, s1, s2, s3); a1 = dotSteps(f, a2, 1, 1, a1, s0, s1, s2, s3);
            b0 = dotSteps(f, b2, 0, 1, b0, s0, s1, s2, s3); b1 = dotSteps(f, b2, 1, 1, b1, s0, s1, s2, s3);
          } else {
            const s4 = repeated(high, p, 4), s5 = repeated(high, p, 5), s6 = repeated(high, p, 6), s7 = repeated(high, p, 7);
            a0 = dotBlock(f, a, 0, a0, s0, s1, s2, s3, s4, s5, s6, s7); a1 = dotBlock(f, a, 1, a1, s0, s1, s2, s3, s4, s5, s6, s7);
            b0 = dotBlock(f, b, 0, b0, s0, s1, s2, s3, s4, s5, s6, s7); b1 = dotBlock(f, b, 1, b1, s0, s1, s2, s3, s4, s5, s6, s7);
          }
        }
        if (f.sixteen) {
          const secondA = f.scales(a, 1), secondB = f.scales(b, 1);
          ca0 = four(secondA, 0); ca1 = four(secondA, 1); cb0 = four(secondB, 0); cb1 = four(secondB, 1);
        }
        sa0 = addScaled(f, sa0, ta0, a0, ca0, xScale); sa1 = addScaled(f, sa1, ta1, a1, ca1, xScale);
        sb0 = addScaled(f, sb0, tb0, b0, cb0, xScale); sb1 = addScaled(f, sb1, tb1, b1, cb1, xScale);
        if (f.hasMinimum) {
          const all = sumOf(f, numbers, p), low = f.sixteen ? activationSum(f, p, 0) : all;
          ma0 = addMinimums(f, ma0, a, 0, low, all); ma1 = addMinimums(f, ma1, a, 1, low, all);
          mb0 = addMinimums(f, mb0, b, 0, low, all); mb1 = addMinimums(f, mb1, b, 1, low, all);
        }
        a += f.blockBytes;
        b += f.blockBytes;
        a2 += f.blockBytes;
        b2 += f.blockBytes;
        p += X8_BYTES;
      } while (p < superEnd);
      fa0 = madd(sa0, scaleUp(f16Bits(ha, 0)), fa0); fa1 = madd(sa1, scaleUp(f16Bits(ha, 1)), fa1);
      fb0 = madd(sb0, scaleUp(f16Bits(hb, 0)), fb0); fb1 = madd(sb1, scaleUp(f16Bits(hb, 1)), fb1);
      if (f.hasMinimum) {
        fa0 = madd(ma0, f32x4.neg(scaleUp(f16Bits(la, 0))), fa0); fa1 = madd(ma1, f32x4.neg(scaleUp(f16Bits(la, 1))), fa1);
        fb0 = madd(mb0, f32x4.neg(scaleUp(f16Bits(lb, 0))), fb0); fb1 = madd(mb1, f32x4.neg(scaleUp(f16Bits(lb, 1))), fb1);
      }
    }
    v128.store(ya, fa0); v128.store(ya, fa1, 16);
    v128.store(yb, fb0); v128.store(yb, fb1, 16);
    ya += 32;
    yb += 32;
  }
}

/** One row of a group as f32: `blocks` x 32 values at `to`, bit-exact as ggml defines them. scratch: 16 bytes. */
// @ts-ignore: decorator
@inline export function dequantizeSuperBlock<F extends SuperBlock>(
  w: usize, row: i32, to: usize, blocks: i32, scratch: usize,
): void {
  const f = changetype<F>(0);
  const v = row >> 2, lane = (row & 3) << 2;
  for (let b = 0; b < blocks; b += 8) {
    const d = f16ToF32(load<u16>(w + (row << 1)));
    const dmin: f32 = f.hasMinimum ? f16ToF32(load<u16>(w + 16 + (row << 1))) : 0;
    w += headerBytes(f);
    for (let block = 0; block < 8; block++) {
      for (let i = 0; i < 8; i++) {
        const half = f.sixteen ? i >> 2 : 1;
        const scale = d * <f32>f.rowScale(w, row, half);
        const least = f.hasMinimum ? dmin * <f32>f.rowMinimum(w, row, half) : 0;
        v128.store(scratch, f.weights(w, v, i));
        for (let k: usize = 0; k < 4; k++) {
          const scaled = scale * <f32>(<i32>load<i8>(scratch + lane + k) - f.offset);
          store<f32>(to, f.hasMinimum ? scaled - least : scaled);
          to += 4;
        }
      }
      w += f.blockBytes;
    }
  }
}

/** Brings in `pack` row by row and then the planes, four rows at a time. */
// @ts-ignore: decorator
@inline export function repackSuperBlock<F extends SuperBlock>(
  from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32,
): u32 {
  const f = changetype<F>(0), bytes = superBlockBytes(f);
  const bad = repackRows<F>(from, rowBytes, rows, to, blocks >> 3, bytes);
  for (let b = 0; b < blocks; b += 8) {
    for (let part = 0; part < f.parts; part++) {
      const w = to + headerBytes(f) + <usize>(f.parts == 16 ? part >> 1 : part) * f.blockBytes;
      // The usual case without the test of each row.
      if (rows == 8) placeRows(f, from, rowBytes, 8, part, w);
      else placeRows(f, from, rowBytes, rows, part, w);
    }
    from += f.fileBytes;
    to += bytes;
  }
  return bad;
}

// @ts-ignore: decorator
@inline function placeRows<F extends SuperBlock>(f: F, from: usize, rowBytes: usize, rows: i32, part: i32, w: usize): void {
  for (let r = 0; r < 8; r += 4) {
    const s0 = words(f, from, rowBytes, rows, r, part), s1 = words(f, from, rowBytes, rows, r + 1, part);
    const s2 = words(f, from, rowBytes, rows, r + 2, part), s3 = words(f, from, rowBytes, rows, r + 3, part);
    f.place(
      w + (<usize>r << 2), part & 1, column(s0, s1, s2, s3, 0), column(s0, s1, s2, s3, 1),
      column(s0, s1, s2, s3, 2), column(s0, s1, s2, s3, 3),
    );
  }
}

/** Zeros where there is no row r. */
// @ts-ignore: decorator
@inline function words<F extends SuperBlock>(f: F, from: usize, rowBytes: usize, rows: i32, r: i32, part: i32): v128 {
  return r < rows ? f.words(from + <usize>r * rowBytes, part) : i32x4.splat(0);
}
