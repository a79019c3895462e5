/**
 * The GEMV of those K formats whose sums must be emptied every 16 columns, where it pays: Q5_K, Q6_K. Same arithmetic, in
 * the same order, as the GEMV in superblock.ts, which ARM runs with its 32 vector registers.
 *
 * x86 has 16. The compiler moves all loads of a basic block to its front, so a block of 16 columns of 8 rows, whose
 * activations, planes and sums just fit, is a loop's body of its own. Both halves of a block of 32 columns look alike
 * for that (planes.ts), and the two streams of row groups take turns by super-blocks instead of sharing activations.
 */
import { DOT4, dotBias, dotSumScaled, f16Bits, madd, scaleUp, sumsLess, twice } from '../isa';
import { SuperBlock, addMinimums, activationSum, gemvSuperBlock, headerBytes, superBlockBytes } from './superblock';
import { X8_BYTES, X8_SCALE, X8_SUMS, X8_SUMS_LOW } from './activations';

export abstract class HalvedSuperBlock extends SuperBlock {
  // @ts-ignore: decorator
  @inline get plain(): bool { return false; }
  // @ts-ignore: decorator
  @inline get split(): bool { return true; }
  /** Where the planes of the first half begin in a block, and from there those of the second. */
  abstract get planes(): usize;
  abstract get halfBytes(): usize;
  /** A block has a 1-bit plane, before its other planes. */
  abstract get hasBits(): bool;
  /** The dot steps of 16 columns with planes at w; bits 0..3 of `bits`: the 1-bit plane's for these four steps. */
  abstract dotHalf(w: usize, v: i32, bits: v128, acc: v128, x0: v128, x1: v128, x2: v128, x3: v128): v128;
}

/** sum += scale * dot; the scales of 8 rows as i16x8. */
// @ts-ignore: decorator
@inline function addHalf(sum: v128, acc: v128, scales: v128, v: i32): v128 {
  return i32x4.add(sum, dotSumScaled(acc, twice(scales, v)));
}

/** y += W x for `groups` row groups at `a` and as many at `b`; see gemvBlock32. */
// @ts-ignore: decorator
@inline export function gemvHalves<F extends HalvedSuperBlock>(
  a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32,
): void {
  if (VARIANT == DOT4) return gemvSuperBlock<F>(a, b, x, ya, yb, groups, blocks);
  const f = changetype<F>(0);
  const xEnd = x + <usize>blocks * X8_BYTES;
  for (let g = 0; g < groups; g++) {
    let p = x;
    while (p < xEnd) {
      let h = a, y = ya;
      for (;;) {
        dotSuperBlock(f, h, p, y);
        if (h == b) break;
        h = b;
        y = yb;
      }
      a += superBlockBytes(f);
      b += superBlockBytes(f);
      p += 8 * X8_BYTES;
    }
    ya += 32;
    yb += 32;
  }
}

/** 8 rows at y += the super-block at h times 256 activations at x. */
// @ts-ignore: decorator
@inline function dotSuperBlock<F extends HalvedSuperBlock>(f: F, h: usize, x: usize, y: usize): void {
  let s0 = f32x4.splat(0), s1 = s0, m0 = s0, m1 = s0;
  let w = h + headerBytes(f);
  const end = x + 8 * X8_BYTES;
  do {
    const xScale = v128.load32_splat(x, X8_SCALE);
    const all = f.offset ? dotBias(v128.load32_splat(x, X8_SUMS), f.offset) : i32x4.splat(0);
    let bias = f.offset ? dotBias(v128.load32_splat(x, X8_SUMS_LOW), f.offset) : all;
    let bits0 = f.hasBits ? v128.load(w + 16) : all, bits1 = f.hasBits ? v128.load(w + 32) : all;
    let q = x, sc = w, planes = w + f.planes;
    let sum0 = i32x4.splat(0), sum1 = sum0;
    const halvesEnd = q + 32;
    do {
      const scales = f.scales(sc, 0);
      const x0 = v128.load32_splat(q), x1 = v128.load32_splat(q, 4), x2 = v128.load32_splat(q, 8), x3 = v128.load32_splat(q, 12);
      sum0 = addHalf(sum0, f.dotHalf(planes, 0, bits0, bias, x0, x1, x2, x3), scales, 0);
      sum1 = addHalf(sum1, f.dotHalf(planes, 1, bits1, bias, x0, x1, x2, x3), scales, 1);
      if (f.offset) bias = sumsLess(all, bias);
      if (f.hasBits) {
        bits0 = i16x8.shr_u(bits0, 4); bits1 = i16x8.shr_u(bits1, 4);
      }
      if (f.sixteen) sc += 8;
      planes += f.halfBytes;
      q += 16;
    } while (q < halvesEnd);
    s0 = madd(f32x4.convert_i32x4_s(sum0), xScale, s0); s1 = madd(f32x4.convert_i32x4_s(sum1), xScale, s1);
    if (f.hasMinimum) {
      const sum = activationSum(f, x, 1), low = f.sixteen ? activationSum(f, x, 0) : sum;
      m0 = addMinimums(f, m0, w, 0, low, sum); m1 = addMinimums(f, m1, w, 1, low, sum);
    }
    w += f.blockBytes;
    x += X8_BYTES;
  } while (x < end);
  const d = v128.load(h);
  // Both loads before both stores: V8 joins neighbouring stores to 256 bits only with nothing between them.
  s0 = madd(s0, scaleUp(f16Bits(d, 0)), v128.load(y)); s1 = madd(s1, scaleUp(f16Bits(d, 1)), v128.load(y, 16));
  if (f.hasMinimum) {
    const least = v128.load(h, 16);
    s0 = madd(m0, f32x4.neg(scaleUp(f16Bits(least, 0))), s0); s1 = madd(m1, f32x4.neg(scaleUp(f16Bits(least, 1))), s1);
  }
  v128.store(y, s0); v128.store(y, s1, 16);
}
