/**
 * Q2_K: weight = d * sc * q - dmin * m; q of 2 bits, sc and m of 4 bits for each 16 columns. ggml super-block
 * of 256: 16 bytes (low nibble sc, high nibble m), 64 bytes of bit pairs as in Q3_K, f16 d, f16 dmin.
 *
 * Group of 8 rows, one super-block, 672 bytes (8 x 84):
 *   0    8 x f16   d
 *   16   8 x f16   dmin
 *   32   8 blocks of 80 bytes:
 *          0    8 x u8   sc and m, columns 0..15
 *          8    8 x u8   sc and m, columns 16..31
 *          16   2-bit plane, 64 bytes (planes.ts)
 */
import { pairsAt, twoBits, twoBitsOf } from './planes';
import { SuperBlock, dequantizeSuperBlock, gemvSuperBlock, repackSuperBlock } from './superblock';
import { gemmSuperBlock } from './superblock-gemm';
import { storeScale } from './repack';

@final class Q2_K extends SuperBlock {
  // @ts-ignore: decorator
  @inline get blockBytes(): usize { return 80; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return true; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return false; }
  // @ts-ignore: decorator
  @inline get sixteen(): bool { return true; }
  // @ts-ignore: decorator
  @inline get split(): bool { return true; }
  // @ts-ignore: decorator
  @inline scales(w: usize, half: i32): v128 { return v128.and(v128.load8x8_u(w + (half << 3)), i16x8.splat(15)); }
  // @ts-ignore: decorator
  @inline minimums(w: usize, half: i32): v128 { return i16x8.shr_u(v128.load8x8_u(w + (half << 3)), 4); }
  // @ts-ignore: decorator
  @inline rowScale(w: usize, row: i32, half: i32): i32 { return load<u8>(w + (half << 3) + row) & 15; }
  // @ts-ignore: decorator
  @inline rowMinimum(w: usize, row: i32, half: i32): i32 { return load<u8>(w + (half << 3) + row) >> 4; }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return twoBits(w + 16, v, i); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 84; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    let bad: u32 = storeScale(to + (r << 1), load<u16>(from, 80));
    bad |= storeScale(to + 16 + (r << 1), load<u16>(from, 82));
    for (let block: usize = 0; block < 8; block++) {
      const w = to + 32 + block * 80;
      store<u8>(w + r, load<u8>(from + (block << 1)));
      store<u8>(w + 8 + r, load<u8>(from + (block << 1), 1));
    }
    return bad;
  }
  // @ts-ignore: decorator
  @inline get parts(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline words(from: usize, part: usize): v128 {
    return pairsAt(from + 16 + ((part >> 3) << 5) + ((part & 1) << 4), <u32>part & 6);
  }
  // @ts-ignore: decorator
  @inline place(w: usize, half: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
    v128.store(w + 16 + (half << 5), twoBitsOf(s0, s1, s2, s3));
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvSuperBlock<Q2_K>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmSuperBlock<Q2_K>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeSuperBlock<Q2_K>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackSuperBlock<Q2_K>(from, rowBytes, rows, to, blocks);
}
