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
 *          16   2-bit plane, 64 bytes (planes.ts)
 *          80   nibble plane, 128 bytes
 */
import { nibble, storeNibbles, storeTwoBits, twoHighBits } from './planes';
import { SignedScales, dequantizeSuperBlock, gemvSuperBlock, repackSuperBlock } from './superblock';
import { gemmSuperBlock } from './superblock-gemm';
import { storeScale } from './repack';

@final class Q6_K extends SignedScales {
  // @ts-ignore: decorator
  @inline get blockBytes(): usize { return 208; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 32; }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return v128.or(nibble(w + 80, v, i), twoHighBits(w + 16, v, i)); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 210; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    const bad: u32 = storeScale(to + (r << 1), load<u16>(from, 208));
    for (let block: usize = 0; block < 8; block++) {
      const w = to + 16 + block * 208;
      store<u8>(w + r, load<u8>(from + 192 + (block << 1)));
      store<u8>(w + 8 + r, load<u8>(from + 193 + (block << 1)));
      const run = block & 3;
      const nibbles = from + ((block >> 2) << 6) + ((run & 1) << 5);
      const pairs = from + 128 + ((block >> 2) << 5);
      const shift = <u32>(run >> 1) << 2;
      for (let i: usize = 0; i < 4; i++) {
        const low = load<u32>(nibbles + (i << 2)) >> shift, high = load<u32>(nibbles + (i << 2), 16) >> shift;
        storeNibbles(w + 80, r, i, low & 0x0f0f0f0f, high & 0x0f0f0f0f);
      }
      storeTwoBits(w + 16, r, pairs, <u32>run << 1);
    }
    return bad;
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvSuperBlock<Q6_K>(a, b, x, ya, yb, groups, blocks);
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
