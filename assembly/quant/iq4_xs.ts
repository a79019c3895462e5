/**
 * IQ4_XS: weight = d * (sc - 32) * VALUES[q], q of 4 bits and IQ4_NL's values, sc of 6 bits for each 32 columns. ggml
 * super-block of 256: f16 d, u16 of the scales' high bit pairs, 4 bytes of their low nibbles, 8 x 16 bytes (low nibble k,
 * high k + 16).
 *
 * Group of 8 rows, one super-block, 1104 bytes (1.015 x 8 x 136):
 *   0    8 x f16   d
 *   16   8 blocks of 136 bytes:
 *          0    8 x i8   sc - 32
 *          8    8 steps of 16 bytes: 8 rows x 2 columns (block16.ts), low nibble step i, high nibble step i + 8
 */
import { MASK_0F, f16x4, lookUp } from '../isa';
import { Block16, dequantizeBlock16, gemmBlock16, gemvBlock16, repackBlock16 } from './block16';
import { VALUES } from './iq4_nl';
import { storeScale } from './repack';

/** Scale - 32 of block 0..7 of the file's super-block at `from`. */
// @ts-ignore: decorator
@inline export function scaleOf(from: usize, block: usize): i8 {
  const low = (load<u8>(from + 4 + (block >> 1)) >> <u8>((block & 1) << 2)) & 15;
  const high = (load<u16>(from, 2) >> <u16>(block << 1)) & 3;
  return <i8>(low | <u8>(high << 4)) - 32;
}

@final class IQ4_XS extends Block16 {
  // @ts-ignore: decorator
  @inline get bytes(): usize { return 136; }
  // @ts-ignore: decorator
  @inline get header(): usize { return 8; }
  // @ts-ignore: decorator
  @inline get span(): i32 { return 8; }
  // @ts-ignore: decorator
  @inline scale(w: usize, v: i32, d: usize): v128 {
    const sc = v128.load8x8_s(w);
    return f32x4.mul(f16x4(d + (v << 3)), f32x4.convert_i32x4_s(v == 0 ? i32x4.extend_low_i16x8_s(sc) : i32x4.extend_high_i16x8_s(sc)));
  }
  // @ts-ignore: decorator
  @inline weights(w: usize, second: bool): v128 { return lookUp(v128.load(VALUES), second ? i8x16.shr_u(v128.load(w), 4) : v128.and(v128.load(w), v128.load(MASK_0F))); }
  // @ts-ignore: decorator
  @inline get fileBytes(): usize { return 136; }
  // @ts-ignore: decorator
  @inline pack(from: usize, to: usize, r: usize): u32 {
    const bad: u32 = storeScale(to + (r << 1), load<u16>(from));
    for (let block: usize = 0; block < 8; block++) {
      const w = to + 16 + block * 136, q = from + 8 + (block << 4);
      store<i8>(w + r, scaleOf(from, block));
      for (let i: usize = 0; i < 8; i++) store<u16>(w + 8 + (i << 4) + (r << 1), load<u16>(q + (i << 1)));
    }
    return bad;
  }
}

export function gemv(a: usize, b: usize, x: usize, ya: usize, yb: usize, groups: i32, blocks: i32): void {
  gemvBlock16<IQ4_XS>(a, b, x, ya, yb, groups, blocks);
}

export function gemm(
  w: usize, x: usize, xStride: usize, y: usize, yStride: usize, tokens: i32, blocks: i32, scratch: usize,
): void {
  gemmBlock16<IQ4_XS>(w, x, xStride, y, yStride, tokens, blocks, scratch);
}

export function dequantize(w: usize, row: i32, to: usize, blocks: i32, scratch: usize): void {
  dequantizeBlock16<IQ4_XS>(w, row, to, blocks, scratch);
}

export function repack(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackBlock16<IQ4_XS>(from, rowBytes, rows, to, blocks);
}
