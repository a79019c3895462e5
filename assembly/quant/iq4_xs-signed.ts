/**
 * IQ4_XS where signedDot() says that the four-way dot takes whole signed bytes; elsewhere see iq4_xs.ts.
 *
 * Group of 8 rows, one super-block, 1104 bytes (1.015 x 8 x 136):
 *   0    8 x f16   d
 *   16   8 blocks of 136 bytes:
 *          0    8 x i8   sc - 32
 *          8    nibble plane, 128 bytes (planes.ts)
 */
import { lookUp } from '../isa';
import { VALUES } from './iq4_nl';
import { scaleOf } from './iq4_xs';
import { nibble, storeVectors } from './planes';
import { storeScale } from './repack';
import { SuperBlock, dequantizeSuperBlock, gemvSuperBlock, repackSuperBlock } from './superblock';
import { gemmSuperBlock } from './superblock-gemm';

@final class IQ4_XS_Signed extends SuperBlock {
  // @ts-ignore: decorator
  @inline get blockBytes(): usize { return 136; }
  // @ts-ignore: decorator
  @inline get offset(): i32 { return 0; }
  // @ts-ignore: decorator
  @inline get hasMinimum(): bool { return false; }
  // @ts-ignore: decorator
  @inline get plain(): bool { return true; }
  // @ts-ignore: decorator
  @inline get sixteen(): bool { return false; }
  // @ts-ignore: decorator
  @inline get split(): bool { return false; }
  // @ts-ignore: decorator
  @inline scales(w: usize, half: i32): v128 { return v128.load8x8_s(w); }
  // @ts-ignore: decorator
  @inline minimums(w: usize, half: i32): v128 { return i16x8.splat(0); }
  // @ts-ignore: decorator
  @inline rowScale(w: usize, row: i32, half: i32): i32 { return load<i8>(w + row); }
  // @ts-ignore: decorator
  @inline rowMinimum(w: usize, row: i32, half: i32): i32 { return 0; }
  // @ts-ignore: decorator
  @inline weights(w: usize, v: i32, i: i32): v128 { return lookUp(v128.load(VALUES), nibble(w + 8, v, i)); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 136; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    const bad: u32 = storeScale(to + (r << 1), load<u16>(from));
    for (let block: usize = 0; block < 8; block++) {
      const w = to + 16 + block * 136;
      store<i8>(w + r, scaleOf(from, block));
    }
    return bad;
  }
  // @ts-ignore: decorator
  @inline get parts(): i32 { return 8; }
  // @ts-ignore: decorator
  @inline words(from: usize, part: usize): v128 {
    return v128.load(from + 8 + (part << 4));
  }
  // @ts-ignore: decorator
  @inline place(w: usize, half: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
    storeVectors(w + 8, s0, s1, s2, s3);
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvSuperBlock<IQ4_XS_Signed>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmSuperBlock<IQ4_XS_Signed>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeSuperBlock<IQ4_XS_Signed>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackSuperBlock<IQ4_XS_Signed>(from, rowBytes, rows, to, blocks);
}
