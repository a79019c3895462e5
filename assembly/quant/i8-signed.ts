/**
 * I8 where signedDot() says that the four-way dot takes whole signed bytes; elsewhere see i8.ts.
 *
 * Group of 8 rows, 32 columns, 256 bytes:
 *   0    8 steps of 32 bytes: 4 columns x 8 rows, one byte per weight, rows outermost
 */
import { Block32, dequantizeBlock32, gemmBlock32, gemvBlock32, repackBlock32 } from './block32';

@final class I8_Signed extends Block32 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 256; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return true; }
  // @ts-ignore: decorator
  @inline whole(x: v128): v128 { return x; }
  // @ts-ignore: decorator
  @inline scale(w: usize, v: i32): v128 { return f32x4.splat(1); }
  // @ts-ignore: decorator
  @inline storedMinimum(w: usize, v: i32): v128 { return f32x4.splat(0); }
  // @ts-ignore: decorator
  @inline minimum(w: usize, v: i32): v128 { return f32x4.splat(0); }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return v128.load(w + (i << 5) + (v << 4)); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 32; }
  // @ts-ignore: decorator
  @inline get fileHead(): usize { return 0; }
  // @ts-ignore: decorator
  @inline packHead(from: usize, to: usize, r: usize): u32 {
    return 0;
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock32<I8_Signed>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock32<I8_Signed>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock32<I8_Signed>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock32<I8_Signed>(from, rowBytes, rows, to, blocks);
}
