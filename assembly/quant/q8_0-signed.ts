/**
 * Q8_0 where signedDot() says that the four-way dot takes whole signed bytes; elsewhere see q8_0.ts.
 *
 * Group of 8 rows, one block of 32 columns, 272 bytes (8 x 34):
 *   0    8 x f16   d
 *   16   8 steps of 32 bytes: 4 columns x 8 rows, one byte per weight, rows outermost
 */
import { F16Scaled32, dequantizeBlock32, gemmBlock32, gemvBlock32, repackBlock32 } from './block32';
import { storeScale } from './repack';

@final class Q8_0_Signed extends F16Scaled32 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 272; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return true; }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return v128.load(w + 16 + (i << 5) + (v << 4)); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 34; }
  // @ts-ignore: decorator
  @inline get fileHead(): usize { return 2; }
  // @ts-ignore: decorator
  @inline packHead(from: usize, to: usize, r: usize): u32 {
    return storeScale(to + (r << 1), load<u16>(from));
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock32<Q8_0_Signed>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock32<Q8_0_Signed>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock32<Q8_0_Signed>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock32<Q8_0_Signed>(from, rowBytes, rows, to, blocks);
}
