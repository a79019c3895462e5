/**
 * Q5_0: weight = d * (q - 16), q of 5 bits. ggml block of 32: f16 d, u32 of fifth bits (bit k), 16 bytes of
 * nibbles (low k, high k + 16).
 *
 * Group of 8 rows, one block of 32 columns, 176 bytes (8 x 22):
 *   0    8 x f16   d
 *   16   1-bit plane, 32 bytes (planes.ts): the fifth bits
 *   48   nibble plane, 128 bytes
 */
import { bits, fifthBit, nibble, storeBits } from './planes';
import { F16Scaled32, dequantizeBlock32, gemmBlock32, gemvBlock32, repackBlock32 } from './block32';
import { storeScale } from './repack';

@final class Q5_0 extends F16Scaled32 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 176; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return false; }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return v128.or(nibble(w + 48, v, i), fifthBit(bits(w + 16, v), i)); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 22; }
  // @ts-ignore: decorator
  @inline get fileHead(): usize { return 6; }
  // @ts-ignore: decorator
  @inline packHead(from: usize, to: usize, r: usize): u32 {
    const bad: u32 = storeScale(to + (r << 1), load<u16>(from));
    storeBits(to + 16, r, load<u32>(from, 2));
    return bad;
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock32<Q5_0>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock32<Q5_0>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock32<Q5_0>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock32<Q5_0>(from, rowBytes, rows, to, blocks);
}
