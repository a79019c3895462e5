/**
 * Q6_K: weight = d * sc * (q - 32); q of 6 bits, sc of 8 signed bits for each 16 columns. ggml super-block of
 * 256: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 x i8 sc, f16 d. Of each 128 columns, run c of
 * 32 takes nibble c >> 1 of bytes 32 (c & 1) + l and bit pair c of bytes l.
 *
 * Group of 8 rows, one super-block, 1680 bytes (8 x 210):
 *   0    8 x f16   d
 *   16   8 blocks of 208 bytes:
 *          0    8 x i8   sc, columns 0..15
 *          8    8 x i8   sc, columns 16..31
 *          16   6-bit plane, 192 bytes (planes.ts)
 */
import { dotSixBits, nibblesAt, pairsAt, sixBits, storeSixBits } from './planes';
import { dequantizeSuperBlock, repackSuperBlock } from './superblock';
import { gemmSuperBlock } from './superblock-gemm';
import { HalvedSuperBlock, gemvHalves } from './superblock-halves';
import { storeScale } from './repack';

@final class Q6_K extends HalvedSuperBlock {
  // @ts-ignore: decorator
  @inline get blockBytes(): usize { return 208; }
  // @ts-ignore: decorator
  @inline get planes(): usize { return 16; }
  // @ts-ignore: decorator
  @inline get halfBytes(): usize { return 96; }
  // @ts-ignore: decorator
  @inline get hasBits(): bool { return false; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }
  // @ts-ignore: decorator
  @inline get sixteen(): bool { return true; }
  // @ts-ignore: decorator
  @inline scales(w: usize, half: i32): v128 { return v128.load8x8_s(w + (half << 3)); }
  // @ts-ignore: decorator
  @inline minimums(w: usize, half: i32): v128 { return i16x8.splat(0); }
  // @ts-ignore: decorator
  @inline rowScale(w: usize, row: i32, half: i32): i32 { return load<i8>(w + (half << 3) + row); }
  // @ts-ignore: decorator
  @inline rowMinimum(w: usize, row: i32, half: i32): i32 { return 0; }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return sixBits(w + 16, v, i); }
  // @ts-ignore: decorator
  @inline dotHalf(w: usize, v: i32, bits: v128, acc: v128, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
    return dotSixBits(w, v, acc, x0, x1, x2, x3);
  }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 210; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    const bad: u32 = storeScale(to + (r << 1), load<u16>(from, 208));
    for (let block: usize = 0; block < 8; block++) {
      const w = to + 16 + block * 208;
      store<u8>(w + r, load<u8>(from + 192 + (block << 1)));
      store<u8>(w + 8 + r, load<u8>(from + 193 + (block << 1)));
    }
    return bad;
  }
  // @ts-ignore: decorator
  @inline get parts(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline words(from: usize, part: usize): v128 {
    const half = (part & 1) << 4, run = <u32>(part >> 1) & 3, eighth = part >> 3;
    const low = nibblesAt(from + (eighth << 6) + ((<usize>run & 1) << 5) + half, (run >> 1) << 2);
    return v128.or(low, i16x8.shl(pairsAt(from + 128 + (eighth << 5) + half, run << 1), 4));
  }
  // @ts-ignore: decorator
  @inline place(w: usize, half: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
    storeSixBits(w + 16 + half * 96, s0, s1, s2, s3);
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvHalves<Q6_K>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmSuperBlock<Q6_K>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeSuperBlock<Q6_K>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackSuperBlock<Q6_K>(from, rowBytes, rows, to, blocks);
}
