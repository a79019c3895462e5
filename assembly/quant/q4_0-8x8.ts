/** Q4_0 with 8 rows interleaved in runs of 8 bytes, as in Q4_0_8_8: 2 rows to a vector. See q4_0-layouts.ts. */
import { Interleaving, dequantizeLayout, gemmLayout, gemvLayout, repackLayout } from './q4_0-layouts';

@final class Eight8 extends Interleaving {
  // @ts-ignore: decorator
  @inline get rows(): i32 { return 8; }
  // @ts-ignore: decorator
  @inline get run(): i32 { return 8; }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvLayout<Eight8>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmLayout<Eight8>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeLayout<Eight8>(w, row, to, blocks);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackLayout<Eight8>(from, rowBytes, rows, to, blocks);
}
