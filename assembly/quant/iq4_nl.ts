/**
 * IQ4_NL: weight = d * VALUES[q], q of 4 bits. ggml block of 32: f16 d, 16 bytes (low nibble k, high k + 16).
 *
 * Group of 8 rows, one block of 32 columns, 144 bytes (8 x 18):
 *   0    8 x f16   d
 *   16   8 steps of 16 bytes: 8 rows x 2 columns (block16.ts), low nibble step i, high nibble step i + 8
 */
import { MASK_0F, lookUp } from '../isa';
import { F16Scaled16, dequantizeBlock16, gemmBlock16, gemvBlock16, repackBlock16 } from './block16';
import { storeScale } from './repack';

// @ts-ignore: decorator
@lazy export const VALUES: usize = memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], 16);

@final class IQ4_NL extends F16Scaled16 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 144; }
  // @ts-ignore: decorator
  @inline weights(w: usize, second: bool): v128 { return lookUp(v128.load(VALUES), second ? i8x16.shr_u(v128.load(w), 4) : v128.and(v128.load(w), v128.load(MASK_0F))); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 18; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    const bad: u32 = storeScale(to + (r << 1), load<u16>(from));
    for (let i: usize = 0; i < 8; i++) store<u16>(to + 16 + (i << 4) + (r << 1), load<u16>(from + 2 + (i << 1)));
    return bad;
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock16<IQ4_NL>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock16<IQ4_NL>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock16<IQ4_NL>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock16<IQ4_NL>(from, rowBytes, rows, to, blocks);
}
