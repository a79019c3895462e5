/**
 * Q4_0: weight = d * (q - 8), q of 4 bits. ggml block of 32: f16 d, 16 bytes (low nibble k, high k + 16).
 *
 * Group of 8 rows, one block of 32 columns, 144 bytes (8 x 18: not a byte more than the file):
 *   0    8 x f16   d
 *   16   nibble plane, 128 bytes (planes.ts): ggml's own nibble order, rows interleaved by 4 bytes
 */
import { nibble } from './planes';
import { F16Scaled32, dequantizeBlock32, gemmBlock32, gemvBlock32, repackBlock32 } from './block32';
import { storeScale } from './repack';

@final class Q4_0 extends F16Scaled32 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 144; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 8; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return true; }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return nibble(w + 16, v, i); }
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
  gemvBlock32<Q4_0>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock32<Q4_0>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock32<Q4_0>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock32<Q4_0>(from, rowBytes, rows, to, blocks);
}
