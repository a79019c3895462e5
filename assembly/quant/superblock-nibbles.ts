/**
 * The GEMV of Q4_K on ARM: what gemvSuperBlock (superblock.ts) computes, in the same order. Four blocks a turn, from one
 * pointer: the other stream keeps its distance.
 *
 *   registers     8 sums, 8 steps of activations, 4 nibbles of a half of a row's eight dots
 *
 * `if (!a) break` never does, and V8 keeps one of them in a turn: it is there for Binaryen, which moves a value to the
 * place of its only use unless a branch lies between. All nibbles of eight dots would come before the first of these,
 * or the dots of four blocks after all activations: too many for 28 registers.
 */
import { MASK_0F, dotStep, f16Bits, madd, scaleUp } from '../isa';
import { X8_BYTES } from './activations';
import { lane } from './steps';
import { SuperBlock, four, headerBytes, minimum } from './superblock';

/** Where the nibble plane begins in a block. */
const PLANE = 16;

/** Steps 0, 1, 4 and 5 of four rows: activations with the nibbles of two vectors. */
// @ts-ignore: decorator
@inline function firstDots(w: usize, v: i32, mask: v128, s0: v128, s1: v128, s4: v128, s5: v128): v128 {
  const at = w + PLANE + (v << 4), q0 = v128.load(at), q1 = v128.load(at, 32);
  const acc = dotStep(dotStep(i32x4.splat(0), s0, v128.and(q0, mask)), s4, i8x16.shr_u(q0, 4));
  return dotStep(dotStep(acc, s1, v128.and(q1, mask)), s5, i8x16.shr_u(q1, 4));
}

/** s += (scale * dot) * scale_x, where acc lacks steps 2, 3, 6 and 7. */
// @ts-ignore: decorator
@inline function addDots(
  s: v128, acc: v128, w: usize, v: i32, mask: v128, scale: v128, xScale: v128, s2: v128, s3: v128, s6: v128, s7: v128,
): v128 {
  const at = w + PLANE + (v << 4), q2 = v128.load(at, 64), q3 = v128.load(at, 96);
  acc = dotStep(dotStep(acc, s2, v128.and(q2, mask)), s6, i8x16.shr_u(q2, 4));
  acc = dotStep(dotStep(acc, s3, v128.and(q3, mask)), s7, i8x16.shr_u(q3, 4));
  return madd(f32x4.convert_i32x4_s(i32x4.mul(acc, scale)), xScale, s);
}

/** y += s * d - m * dmin for four rows of the super-block at h. */
// @ts-ignore: decorator
@inline function addSuperBlock(y: v128, h: usize, v: i32, s: v128, m: v128): v128 {
  y = madd(s, scaleUp(f16Bits(v128.load(h), v)), y);
  return f32x4.relaxed_nmadd(m, scaleUp(f16Bits(v128.load(h, 16), v)), y);
}

/** y += W x for `groups` row groups at `a` and as many at `b`; see gemvBlock32. */
// @ts-ignore: decorator
@inline export function gemvNibbles<F extends SuperBlock>(
  a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32,
): void {
  const f = changetype<F>(0);
  const xEnd = x + <usize>blocks * X8_BYTES, apart = b - a;
  const mask = v128.load(MASK_0F);
  for (let g = 0; g < groups; g++) {
    let fa0 = v128.load(ya), fa1 = v128.load(ya, 16), fb0 = v128.load(yb), fb1 = v128.load(yb, 16);
    let p = x;
    while (p < xEnd) {
      const h = a, superEnd = p + 8 * X8_BYTES;
      let sa0 = f32x4.splat(0), sa1 = sa0, sb0 = sa0, sb1 = sa0, ma0 = sa0, ma1 = sa0, mb0 = sa0, mb1 = sa0;
      a += headerBytes(f);
      do {
        const b = a + apart;
        let low: v128, high: v128, numbers: v128, xScale: v128, sum: v128, c: v128, acc: v128;
        let s0: v128, s1: v128, s2: v128, s3: v128, s4: v128, s5: v128, s6: v128, s7: v128;
        low = v128.load(p); high = v128.load(p, 16); numbers = v128.load(p, 32);
        xScale = lane(numbers, 0); sum = lane(numbers, 1);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        c = f.scales(a, 0);
        acc = firstDots(a, 0, mask, s0, s1, s4, s5); if (!a) break;
        sa0 = addDots(sa0, acc, a, 0, mask, four(c, 0), xScale, s2, s3, s6, s7);
        acc = firstDots(a, 1, mask, s0, s1, s4, s5); if (!a) break;
        sa1 = addDots(sa1, acc, a, 1, mask, four(c, 1), xScale, s2, s3, s6, s7);
        ma0 = madd(minimum(f, a, 0, 1), sum, ma0); ma1 = madd(minimum(f, a, 1, 1), sum, ma1);
        c = f.scales(b, 0);
        acc = firstDots(b, 0, mask, s0, s1, s4, s5); if (!a) break;
        sb0 = addDots(sb0, acc, b, 0, mask, four(c, 0), xScale, s2, s3, s6, s7);
        acc = firstDots(b, 1, mask, s0, s1, s4, s5); if (!a) break;
        sb1 = addDots(sb1, acc, b, 1, mask, four(c, 1), xScale, s2, s3, s6, s7);
        mb0 = madd(minimum(f, b, 0, 1), sum, mb0); mb1 = madd(minimum(f, b, 1, 1), sum, mb1);
        low = v128.load(p, X8_BYTES); high = v128.load(p, X8_BYTES + 16); numbers = v128.load(p, X8_BYTES + 32);
        xScale = lane(numbers, 0); sum = lane(numbers, 1);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        c = f.scales(a + f.blockBytes, 0);
        acc = firstDots(a + f.blockBytes, 0, mask, s0, s1, s4, s5); if (!a) break;
        sa0 = addDots(sa0, acc, a + f.blockBytes, 0, mask, four(c, 0), xScale, s2, s3, s6, s7);
        acc = firstDots(a + f.blockBytes, 1, mask, s0, s1, s4, s5); if (!a) break;
        sa1 = addDots(sa1, acc, a + f.blockBytes, 1, mask, four(c, 1), xScale, s2, s3, s6, s7);
        ma0 = madd(minimum(f, a + f.blockBytes, 0, 1), sum, ma0); ma1 = madd(minimum(f, a + f.blockBytes, 1, 1), sum, ma1);
        c = f.scales(b + f.blockBytes, 0);
        acc = firstDots(b + f.blockBytes, 0, mask, s0, s1, s4, s5); if (!a) break;
        sb0 = addDots(sb0, acc, b + f.blockBytes, 0, mask, four(c, 0), xScale, s2, s3, s6, s7);
        acc = firstDots(b + f.blockBytes, 1, mask, s0, s1, s4, s5); if (!a) break;
        sb1 = addDots(sb1, acc, b + f.blockBytes, 1, mask, four(c, 1), xScale, s2, s3, s6, s7);
        mb0 = madd(minimum(f, b + f.blockBytes, 0, 1), sum, mb0); mb1 = madd(minimum(f, b + f.blockBytes, 1, 1), sum, mb1);
        low = v128.load(p, 2 * X8_BYTES); high = v128.load(p, 2 * X8_BYTES + 16); numbers = v128.load(p, 2 * X8_BYTES + 32);
        xScale = lane(numbers, 0); sum = lane(numbers, 1);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        c = f.scales(a + 2 * f.blockBytes, 0);
        acc = firstDots(a + 2 * f.blockBytes, 0, mask, s0, s1, s4, s5); if (!a) break;
        sa0 = addDots(sa0, acc, a + 2 * f.blockBytes, 0, mask, four(c, 0), xScale, s2, s3, s6, s7);
        acc = firstDots(a + 2 * f.blockBytes, 1, mask, s0, s1, s4, s5); if (!a) break;
        sa1 = addDots(sa1, acc, a + 2 * f.blockBytes, 1, mask, four(c, 1), xScale, s2, s3, s6, s7);
        ma0 = madd(minimum(f, a + 2 * f.blockBytes, 0, 1), sum, ma0); ma1 = madd(minimum(f, a + 2 * f.blockBytes, 1, 1), sum, ma1);
        c = f.scales(b + 2 * f.blockBytes, 0);
        acc = firstDots(b + 2 * f.blockBytes, 0, mask, s0, s1, s4, s5); if (!a) break;
        sb0 = addDots(sb0, acc, b + 2 * f.blockBytes, 0, mask, four(c, 0), xScale, s2, s3, s6, s7);
        acc = firstDots(b + 2 * f.blockBytes, 1, mask, s0, s1, s4, s5); if (!a) break;
        sb1 = addDots(sb1, acc, b + 2 * f.blockBytes, 1, mask, four(c, 1), xScale, s2, s3, s6, s7);
        mb0 = madd(minimum(f, b + 2 * f.blockBytes, 0, 1), sum, mb0); mb1 = madd(minimum(f, b + 2 * f.blockBytes, 1, 1), sum, mb1);
        low = v128.load(p, 3 * X8_BYTES); high = v128.load(p, 3 * X8_BYTES + 16); numbers = v128.load(p, 3 * X8_BYTES + 32);
        xScale = lane(numbers, 0); sum = lane(numbers, 1);
        s0 = lane(low, 0); s1 = lane(low, 1); s2 = lane(low, 2); s3 = lane(low, 3);
        s4 = lane(high, 0); s5 = lane(high, 1); s6 = lane(high, 2); s7 = lane(high, 3);
        c = f.scales(a + 3 * f.blockBytes, 0);
        acc = firstDots(a + 3 * f.blockBytes, 0, mask, s0, s1, s4, s5); if (!a) break;
        sa0 = addDots(sa0, acc, a + 3 * f.blockBytes, 0, mask, four(c, 0), xScale, s2, s3, s6, s7);
        acc = firstDots(a + 3 * f.blockBytes, 1, mask, s0, s1, s4, s5); if (!a) break;
        sa1 = addDots(sa1, acc, a + 3 * f.blockBytes, 1, mask, four(c, 1), xScale, s2, s3, s6, s7);
        ma0 = madd(minimum(f, a + 3 * f.blockBytes, 0, 1), sum, ma0); ma1 = madd(minimum(f, a + 3 * f.blockBytes, 1, 1), sum, ma1);
        c = f.scales(b + 3 * f.blockBytes, 0);
        acc = firstDots(b + 3 * f.blockBytes, 0, mask, s0, s1, s4, s5); if (!a) break;
        sb0 = addDots(sb0, acc, b + 3 * f.blockBytes, 0, mask, four(c, 0), xScale, s2, s3, s6, s7);
        acc = firstDots(b + 3 * f.blockBytes, 1, mask, s0, s1, s4, s5); if (!a) break;
        sb1 = addDots(sb1, acc, b + 3 * f.blockBytes, 1, mask, four(c, 1), xScale, s2, s3, s6, s7);
        mb0 = madd(minimum(f, b + 3 * f.blockBytes, 0, 1), sum, mb0); mb1 = madd(minimum(f, b + 3 * f.blockBytes, 1, 1), sum, mb1);
        a += 4 * f.blockBytes;
        p += 4 * X8_BYTES;
      } while (p < superEnd);
      fa0 = addSuperBlock(fa0, h, 0, sa0, ma0); fa1 = addSuperBlock(fa1, h, 1, sa1, ma1);
      fb0 = addSuperBlock(fb0, h + apart, 0, sb0, mb0); fb1 = addSuperBlock(fb1, h + apart, 1, sb1, mb1);
    }
    v128.store(ya, fa0); v128.store(ya, fa1, 16);
    v128.store(yb, fb0); v128.store(yb, fb1, 16);
    ya += 32;
    yb += 32;
  }
}
