/**
 * Q8_0: weight = d * q, q of 8 signed bits. ggml block of 32: f16 d, 32 x i8.
 *
 * Group of 8 rows, one block of 32 columns, 272 bytes (8 x 34):
 *   0    8 x f16   d
 *   16   16 steps of 16 bytes: 8 rows x 2 columns (block16.ts)
 */
import { F16Scaled16, dequantizeBlock16, gemmBlock16, gemvBlock16, repackBlock16 } from './block16';
import { storeScale } from './repack';

@final class Q8_0 extends F16Scaled16 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 272; }
  // @ts-ignore: decorator
  @inline weights(w: usize, second: bool): v128 { return v128.load(second ? w + 128 : w); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 34; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    const bad: u32 = storeScale(to + (r << 1), load<u16>(from));
    for (let i: usize = 0; i < 16; i++) store<u16>(to + 16 + (i << 4) + (r << 1), load<u16>(from + 2 + (i << 1)));
    return bad;
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock16<Q8_0>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock16<Q8_0>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock16<Q8_0>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock16<Q8_0>(from, rowBytes, rows, to, blocks);
}
