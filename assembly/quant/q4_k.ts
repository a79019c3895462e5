/**
 * Q4_K: weight = d * sc * q - dmin * m; q of 4 bits, sc and m of 6 bits for each 32 columns. ggml super-block
 * of 256: f16 d, f16 dmin, 12 bytes of packed sc and m, 128 bytes (byte l of 32-byte run c: low nibble column
 * 64c + l, high nibble 64c + 32 + l).
 *
 * Group of 8 rows, one super-block, 1184 bytes (1.028 x 8 x 144: sc and m get a byte each):
 *   0    8 x f16   d
 *   16   8 x f16   dmin
 *   32   8 blocks of 144 bytes:
 *          0    8 x u8   sc
 *          8    8 x u8   m
 *          16   nibble plane, 128 bytes (planes.ts)
 */
import { DOT4 } from '../isa';
import { blockMinimums, blockScales, packAffine } from './k-scales';
import { nibble, nibblesAt, nibblesOf, storeVectors } from './planes';
import { SuperBlock, dequantizeSuperBlock, gemvSuperBlock, repackSuperBlock } from './superblock';
import { gemmSuperBlock } from './superblock-gemm';
import { gemvNibbles } from './superblock-nibbles';

@final class Q4_K extends SuperBlock {
  // @ts-ignore: decorator
  @inline get blockBytes(): usize { return 144; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return true; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return true; }
  // @ts-ignore: decorator
  @inline get sixteen(): bool { return false; }
  // @ts-ignore: decorator
  @inline get split(): bool { return false; }
  // @ts-ignore: decorator
  @inline scales(w: usize, half: i32): v128 { return blockScales(w); }
  // @ts-ignore: decorator
  @inline minimums(w: usize, half: i32): v128 { return blockMinimums(w); }
  // @ts-ignore: decorator
  @inline rowScale(w: usize, row: i32, half: i32): i32 { return load<u8>(w + row); }
  // @ts-ignore: decorator
  @inline rowMinimum(w: usize, row: i32, half: i32): i32 { return load<u8>(w + 8 + row); }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return nibble(w + 16, v, i); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 144; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    return packAffine(from, to, r, 144);
  }
  // @ts-ignore: decorator
  @inline get parts(): i32 { return 8; }
  // @ts-ignore: decorator
  @inline words(from: usize, part: usize): v128 {
    const q = from + 16 + ((part >> 1) << 5), shift = <u32>(part & 1) << 2;
    return nibblesOf(nibblesAt(q, shift), nibblesAt(q + 16, shift));
  }
  // @ts-ignore: decorator
  @inline place(w: usize, half: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
    storeVectors(w + 16, s0, s1, s2, s3);
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  if (VARIANT == DOT4) gemvNibbles<Q4_K>(a, b, x, ya, yb, groups, blocks);
  else gemvSuperBlock<Q4_K>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmSuperBlock<Q4_K>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeSuperBlock<Q4_K>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackSuperBlock<Q4_K>(from, rowBytes, rows, to, blocks);
}
