/**
 * Q5_K: weight = d * sc * q - dmin * m; q of 5 bits, sc and m of 6 bits for each 32 columns. ggml super-block
 * of 256: f16 d, f16 dmin, 12 bytes of packed sc and m, 32 bytes of fifth bits (byte l, bit c: column
 * 32c + l), 128 bytes of nibbles as in Q4_K.
 *
 * Group of 8 rows, one super-block, 1440 bytes (1.023 x 8 x 176):
 *   0    8 x f16   d
 *   16   8 x f16   dmin
 *   32   8 blocks of 176 bytes:
 *          0    8 x u8   sc
 *          8    8 x u8   m
 *          16   1-bit plane, 32 bytes (planes.ts): the fifth bits
 *          48   paired nibbles, 128 bytes
 */
import { dotSteps } from '../isa';
import { blockMinimums, blockScales, packAffine } from './k-scales';
import { bits, fifthBit, nibblesAt, nibblesOf, pairedNibble, storeBitsOfBlocks } from './planes';
import { dequantizeSuperBlock, repackSuperBlock } from './superblock';
import { gemmSuperBlock } from './superblock-gemm';
import { HalvedSuperBlock, gemvHalves } from './superblock-halves';

/** A step's nibbles and, above them, its bit of the 1-bit plane. */
// @ts-ignore: decorator
@inline function joined(plane: usize, v: i32, i: i32, bits: v128): v128 {
  return v128.or(pairedNibble(plane, v, i), fifthBit(bits, i));
}

@final class Q5_K extends HalvedSuperBlock {
  // @ts-ignore: decorator
  @inline get blockBytes(): usize { return 176; }
  // @ts-ignore: decorator
  @inline get planes(): usize { return 48; }
  // @ts-ignore: decorator
  @inline get halfBytes(): usize { return 64; }
  // @ts-ignore: decorator
  @inline get hasBits(): bool { return true; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return true; }
  // @ts-ignore: decorator
  @inline get sixteen(): bool { return false; }
  // @ts-ignore: decorator
  @inline scales(w: usize, half: i32): v128 { return blockScales(w); }
  // @ts-ignore: decorator
  @inline minimums(w: usize, half: i32): v128 { return blockMinimums(w); }
  // @ts-ignore: decorator
  @inline rowScale(w: usize, row: i32, half: i32): i32 { return load<u8>(w + row); }
  // @ts-ignore: decorator
  @inline rowMinimum(w: usize, row: i32, half: i32): i32 { return load<u8>(w + 8 + row); }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return joined(w + 48, v, i, bits(w + 16, v)); }
  // @ts-ignore: decorator
  @inline dotHalf(w: usize, v: i32, bits: v128, acc: v128, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
    return dotSteps(
      acc, x0, joined(w, v, 0, bits), x1, joined(w, v, 1, bits),
      x2, joined(w, v, 2, bits), x3, joined(w, v, 3, bits),
    );
  }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 176; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    storeBitsOfBlocks(to + 48, 176, r, from + 16);
    return packAffine(from, to, r, 176);
  }
  // @ts-ignore: decorator
  @inline get parts(): i32 { return 16; }
  // @ts-ignore: decorator
  @inline words(from: usize, part: usize): v128 {
    return nibblesAt(from + 48 + ((part >> 2) << 5) + ((part & 1) << 4), <u32>(part & 2) << 1);
  }
  // @ts-ignore: decorator
  @inline place(w: usize, half: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
    const to = w + 48 + (half << 6);
    v128.store(to, nibblesOf(s0, s1)); v128.store(to, nibblesOf(s2, s3), 32);
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvHalves<Q5_K>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmSuperBlock<Q5_K>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeSuperBlock<Q5_K>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackSuperBlock<Q5_K>(from, rowBytes, rows, to, blocks);
}
