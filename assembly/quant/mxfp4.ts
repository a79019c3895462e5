/**
 * MXFP4 (OCP microscaling): weight = 2^(e - 127) * E2M1(q). ggml block of 32: u8 e, 16 bytes of nibbles (low
 * k, high k + 16). E2M1 doubled is one of 0 1 2 3 4 6 8 12 and their negatives; halved scales make up for it.
 *
 * Group of 8 rows, one block of 32 columns, 136 bytes (8 x 17):
 *   0    8 x u8    e
 *   8    nibble plane, 128 bytes (planes.ts)
 *
 * A table lookup turns nibbles into values + 12, which are positive as dotStep wants them.
 */
import { lookUp } from '../isa';
import { nibble } from './planes';
import { Block32, dequantizeBlock32, gemmBlock32, gemvBlock32, repackBlock32 } from './block32';

// @ts-ignore: decorator
@lazy const VALUES_PLUS_12: usize = memory.data<u8>([12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0], 16);

/** 2^(e - 128) for four bytes e, f32x4: subnormal results (e = 0, 1) included. */
// @ts-ignore: decorator
@inline function halfPowerOfTwo(address: usize): v128 {
  const e = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(address)));
  const normal = i32x4.shl(i32x4.sub(e, i32x4.splat(1)), 23);
  // e = 0: 2^-128 = 0x00200000; e = 1: 2^-127 = 0x00400000.
  const subnormal = v128.bitselect(i32x4.splat(0x00200000), i32x4.splat(0x00400000), i32x4.eq(e, i32x4.splat(0)));
  return v128.bitselect(subnormal, normal, i32x4.lt_s(e, i32x4.splat(2)));
}

@final class MXFP4 extends Block32 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 136; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 12; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return true; }
  // @ts-ignore: decorator
  @inline whole(x: v128): v128 { return x; }
  // @ts-ignore: decorator
  @inline scale(w: usize, v: i32): v128 { return halfPowerOfTwo(w + (v << 2)); }
  // @ts-ignore: decorator
  @inline storedMinimum(w: usize, v: i32): v128 { return f32x4.splat(0); }
  // @ts-ignore: decorator
  @inline minimum(w: usize, v: i32): v128 { return f32x4.splat(0); }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return lookUp(v128.load(VALUES_PLUS_12), nibble(w + 8, v, i)); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 17; }
  // @ts-ignore: decorator
  @inline get fileHead(): usize { return 1; }
  // @ts-ignore: decorator
  @inline packHead(from: usize, to: usize, r: usize): u32 {
    const e = load<u8>(from);
    store<u8>(to + r, e);
    return u32(e == 255);
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock32<MXFP4>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock32<MXFP4>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock32<MXFP4>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock32<MXFP4>(from, rowBytes, rows, to, blocks);
}
