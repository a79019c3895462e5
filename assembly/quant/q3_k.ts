/**
 * Q3_K: weight = d * (sc - 32) * (q - 4); q of 3 bits, sc of 6 bits for each 16 columns. ggml super-block of
 * 256: 32 bytes of third bits (byte l, bit c: column 32c + l), 64 bytes of bit pairs (of each 128 columns, run
 * c of 32 takes pair c of bytes l), 12 bytes of packed sc, f16 d.
 *
 * Group of 8 rows, one super-block, 912 bytes (1.036 x 8 x 110: sc gets a byte):
 *   0    8 x f16   d
 *   16   8 blocks of 112 bytes:
 *          0    8 x i8   sc - 32, columns 0..15
 *          8    8 x i8   sc - 32, columns 16..31
 *          16   1-bit plane, 32 bytes (planes.ts)
 *          48   2-bit plane, 64 bytes
 */
import { scale3 } from './k-scales';
import { bits, pairsAt, storeBitsOfBlocks, thirdBit, twoBits, twoBitsOf } from './planes';
import { SuperBlock, dequantizeSuperBlock, gemvSuperBlock, repackSuperBlock } from './superblock';
import { gemmSuperBlock } from './superblock-gemm';
import { storeScale } from './repack';

@final class Q3_K extends SuperBlock {
  // @ts-ignore: decorator
  @inline get blockBytes(): usize { return 112; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 4; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return false; }
  // @ts-ignore: decorator
  @inline get split(): bool { return true; }
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
  @inline weights(w: usize, v: i32, i: i32): v128 { return v128.or(twoBits(w + 48, v, i), thirdBit(bits(w + 16, v), i)); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 110; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    const bad: u32 = storeScale(to + (r << 1), load<u16>(from, 108));
    for (let block: usize = 0; block < 8; block++) {
      const w = to + 16 + block * 112;
      store<u8>(w + r, scale3(from + 96, block << 1));
      store<u8>(w + 8 + r, scale3(from + 96, (block << 1) + 1));
    }
    storeBitsOfBlocks(to + 32, 112, r, from);
    return bad;
  }
  // @ts-ignore: decorator
  @inline get parts(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline words(from: usize, part: usize): v128 {
    return pairsAt(from + 32 + ((part >> 3) << 5) + ((part & 1) << 4), <u32>part & 6);
  }
  // @ts-ignore: decorator
  @inline place(w: usize, half: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
    v128.store(w + 48 + (half << 5), twoBitsOf(s0, s1, s2, s3));
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvSuperBlock<Q3_K>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmSuperBlock<Q3_K>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeSuperBlock<Q3_K>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackSuperBlock<Q3_K>(from, rowBytes, rows, to, blocks);
}
