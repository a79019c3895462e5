/**
 * I8: weight = q of 8 signed bits, as GGUF has it: plain numbers. What scale they have, of the tensor or of each row, the
 * file keeps in tensors beside them, and a matmul applies it to whole sums (ops/matmul.ts): without it, and with
 * activations in steps of 1, every product and every sum below 2^24 is exact.
 *
 * Group of 8 rows, 32 columns, 256 bytes:
 *   0    16 steps of 16 bytes: 8 rows x 2 columns (block16.ts)
 */
import { Block16, dequantizeBlock16, gemmBlock16, gemvBlock16, repackBlock16 } from './block16';

@final class I8 extends Block16 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 256; }
  // @ts-ignore: decorator
  @inline get header(): usize { return 0; }
  // @ts-ignore: decorator
  @inline get span(): i32 { return 1; }
  // @ts-ignore: decorator
  @inline scale(w: usize, v: i32, d: usize): v128 { return f32x4.splat(1); }
  // @ts-ignore: decorator
  @inline weights(w: usize, second: bool): v128 { return v128.load(second ? w + 128 : w); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 32; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    for (let i: usize = 0; i < 16; i++) store<u16>(to + (i << 4) + (r << 1), load<u16>(from + (i << 1)));
    return 0;
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock16<I8>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock16<I8>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock16<I8>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock16<I8>(from, rowBytes, rows, to, blocks);
}
