/**
 * Q5_1: weight = d * q + m, q of 5 bits. ggml block of 32: f16 d, f16 m, u32 of fifth bits (bit k), 16 bytes
 * of nibbles (low k, high k + 16).
 *
 * Group of 8 rows, one block of 32 columns, 192 bytes (8 x 24):
 *   0    8 x f16   d
 *   16   8 x f16   m
 *   32   1-bit plane, 32 bytes (planes.ts): the fifth bits
 *   64   nibble plane, 128 bytes
 *
 * Sums of unsigned 5-bit weights would leave 16 bits, so kernels count q - 16 and add 16 d to the minimum.
 */
import { f16Bits, scaleUp } from '../isa';
import { bits, fifthBit, nibble, storeBits } from './planes';
import { Block32, dequantizeBlock32, gemmBlock32, gemvBlock32, repackBlock32 } from './block32';
import { storeScale } from './repack';

@final class Q5_1 extends Block32 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 192; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return true; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return false; }
  // @ts-ignore: decorator
  @inline whole(x: v128): v128 { return scaleUp(x); }
  // @ts-ignore: decorator
  @inline scale(w: usize, v: i32): v128 { return f16Bits(v128.load(w), v); }
  // @ts-ignore: decorator
  @inline storedMinimum(w: usize, v: i32): v128 { return f16Bits(v128.load(w, 16), v); }
  // @ts-ignore: decorator
  @inline minimum(w: usize, v: i32): v128 { return f32x4.add(f32x4.mul(this.scale(w, v), f32x4.splat(16)), this.storedMinimum(w, v)); }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return v128.or(nibble(w + 64, v, i), fifthBit(bits(w + 32, v), i)); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 24; }
  // @ts-ignore: decorator
  @inline get fileHead(): usize { return 8; }
  // @ts-ignore: decorator
  @inline packHead(from: usize, to: usize, r: usize): u32 {
    let bad: u32 = storeScale(to + (r << 1), load<u16>(from));
    bad |= storeScale(to + 16 + (r << 1), load<u16>(from, 2));
    storeBits(to + 32, r, load<u32>(from, 4));
    return bad;
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock32<Q5_1>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock32<Q5_1>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock32<Q5_1>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock32<Q5_1>(from, rowBytes, rows, to, blocks);
}
