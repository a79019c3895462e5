/**
 * Q4_0 where signedDot() says that the four-way dot takes whole signed bytes; elsewhere see q4_0.ts.
 *
 * Group of 8 rows, one block of 32 columns, 144 bytes (8 x 18):
 *   0    8 x f16   d
 *   16   nibble plane, 128 bytes (planes.ts), each nibble xor 8: what it says is q - 8 as a signed nibble
 *
 * A nibble is not brought down to the low end of its byte but up to the high one: weights come times 16, signed and
 * without an offset to make up for, each by one instruction. The scale of the activations takes the 16 back, exactly.
 */
import { MASK_F0, f16Bits, scaleUp16th } from '../isa';
import { Block32, dequantizeBlock32, gemmBlock32, gemvBlock32, repackBlock32 } from './block32';
import { storeScale } from './repack';

@final class Q4_0_Signed extends Block32 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 144; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return true; }
  // @ts-ignore: decorator
  @inline whole(x: v128): v128 { return scaleUp16th(x); }
  // @ts-ignore: decorator
  @inline scale(w: usize, v: i32): v128 { return f16Bits(v128.load(w), v); }
  // @ts-ignore: decorator
  @inline storedMinimum(w: usize, v: i32): v128 { return f32x4.splat(0); }
  // @ts-ignore: decorator
  @inline minimum(w: usize, v: i32): v128 { return f32x4.splat(0); }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 {
    const bytes = v128.load(w + 16 + ((i & 3) << 5) + (v << 4));
    if (i < 4) return i8x16.shl(bytes, 4);
    return v128.and(bytes, v128.load(MASK_F0));
  }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 18; }
  // @ts-ignore: decorator
  @inline get fileHead(): usize { return 2; }
  // @ts-ignore: decorator
  @inline packHead(from: usize, to: usize, r: usize): u32 {
    return storeScale(to + (r << 1), load<u16>(from));
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock32<Q4_0_Signed>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock32<Q4_0_Signed>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock32<Q4_0_Signed>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  const bad = repackBlock32<Q4_0_Signed>(from, rowBytes, rows, to, blocks);
  for (const end = to + <usize>blocks * 144; to < end; to += 144) {
    for (let at: usize = to + 16; at < to + 144; at += 16) v128.store(at, v128.xor(v128.load(at), i8x16.splat(-120)));
  }
  return bad;
}
