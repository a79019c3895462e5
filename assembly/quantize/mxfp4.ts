/**
 * MXFP4: blocks of 32 columns with a power of two for a scale and E2M1 numbers; see assembly/quant/mxfp4.ts. The power
 * follows the largest value (OCP Microscaling Formats 1.0, 6.3), the numbers are the nearest, the first of equals.
 */

/** E2M1 doubled; 8..15 are the negatives. */
// @ts-ignore: decorator
@lazy const VALUES: usize = memory.data<f32>([0, 1, 2, 3, 4, 6, 8, 12], 16);

/** floor(log2(x)) - 2 + 127. The logarithm is rounded to f32 first, as in ggml: just below a power of two it is that. */
function exponentOf(largest: f32): i32 {
  if (largest == 0) return 0;
  return (<i32>floor<f32>(<f32>Math.log2(<f64>largest)) - 2 + 127) & 255;
}

/** 2^(e - 128), subnormal for e < 2. */
function halfPowerOfTwo(e: i32): f32 {
  return reinterpret<f32>(e < 2 ? 0x00200000 << e : (e - 1) << 23);
}

/** Indices of the numbers nearest to four columns, in i32 lanes. */
// @ts-ignore: decorator
@inline function nearest(x: v128, scale: f32): v128 {
  let index = i32x4.splat(0), least = f32x4.abs(f32x4.sub(f32x4.splat(load<f32>(VALUES) * scale), x));
  for (let i = 1; i < 16; i++) {
    const value = load<f32>(VALUES + (<usize>(i & 7) << 2)) * scale;
    const error = f32x4.abs(f32x4.sub(f32x4.splat(i < 8 ? value : -value), x)), less = f32x4.lt(error, least);
    least = v128.bitselect(error, least, less);
    index = v128.bitselect(i32x4.splat(i), index, less);
  }
  return index;
}

export function quantizeMXFP4(x: usize, blocks: i32, to: usize): void {
  for (; blocks > 0; blocks--) {
    let m = f32x4.abs(v128.load(x));
    for (let i: usize = 16; i < 128; i += 16) m = f32x4.pmax(m, f32x4.abs(v128.load(x + i)));
    m = f32x4.pmax(m, v128.shuffle<i32>(m, m, 2, 3, 0, 1));
    const e = exponentOf(max(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1))), scale = halfPowerOfTwo(e);
    store<u8>(to, e);
    for (let i: usize = 0; i < 64; i += 16) {
      const low = nearest(v128.load(x + i), scale), high = nearest(v128.load(x + i, 64), scale);
      const nibbles = v128.or(low, i32x4.shl(high, 4));
      const words = i16x8.narrow_i32x4_u(nibbles, nibbles);
      v128.store32_lane(to + 1 + (i >> 2), i8x16.narrow_i16x8_u(words, words), 0);
    }
    to += 17;
    x += 128;
  }
}
