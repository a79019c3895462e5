/** Q4_0 row after row, its blocks as the file has them: one row to a vector. See q4_0-layouts.ts. */
import { Interleaving, dequantizeLayout, gemmLayout, gemvLayout, repackLayout } from './q4_0-layouts';

@final class Rows extends Interleaving {
  // @ts-ignore: decorator
  @inline get rows(): i32 { return 1; }
  // @ts-ignore: decorator
  @inline get run(): i32 { return 16; }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvLayout<Rows>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmLayout<Rows>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeLayout<Rows>(w, row, to, blocks);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackLayout<Rows>(from, rowBytes, rows, to, blocks);
}
