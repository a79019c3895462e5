/**
 * The paged KV cache. A page holds 64 positions for every layer of the segment; within a page, per layer and
 * KV head, keys lie channel by channel (so that a vector holds one channel of several positions) and values
 * position by position:
 *
 *   keys    [width][64]   element (d, p) at (64 d + p)
 *   values  [64][width]   element (p, d) at (width p + d)
 *
 * f32 and f16 elements stand alone; q8_0 has one byte each, and f32 scales behind them: per 32 channels of a
 * position, keys [ceil(width / 32)][64], values [64][ceil(width / 32)].
 */
import { BROKEN, KV_BASE, KV_PAGE_BYTES, PAGE } from '../control';
import { F16_NAN, LEAST, f16x4, f32ToF16 } from '../isa';
import { KV_F16, KV_F32, KV_INT8 } from '../record';

/** Bytes of the keys or the values of one head in a page. */
export function tileBytes(type: u32, width: i32): usize {
  const elements = <usize>(width * PAGE);
  if (type == KV_F32) return elements << 2;
  if (type == KV_F16) return elements << 1;
  return elements + <usize>((width + 31) >> 5) * PAGE * 4;
}

/** Start of the page that holds `position` of the sequence with this page table. */
// @ts-ignore: decorator
@inline export function pageOf(table: usize, position: i32): usize {
  return <usize>load<u32>(KV_BASE) + <usize>load<u32>(table + (<usize>(position >> 6) << 2)) * load<u32>(KV_PAGE_BYTES);
}

/**
 * Stores one position's row of `width` f32 in the tile: keys with step 64 between channels, values with 1. `whole`: they
 * are whole numbers within int8, and stay what they are.
 */
function store8(whole: bool, x: usize, width: i32, bytes: usize, byteStep: usize, scales: usize, scaleStep: usize): void {
  for (let first = 0; first < width; first += 32) {
    const count = min(32, width - first);
    let largest: f32 = 0;
    for (let d = 0; d < count; d++) largest = max(largest, abs(load<f32>(x + (<usize>(first + d) << 2))));
    const inverse: f32 = whole ? 1 : largest > LEAST ? 127 / largest : 0;
    // The difference is 0, or NaN where a value is not finite.
    store<f32>(scales, whole ? largest - largest + 1 : largest / 127);
    for (let d = 0; d < count; d++) {
      store<i8>(bytes, <i8>nearest(load<f32>(x + (<usize>(first + d) << 2)) * inverse));
      bytes += byteStep;
    }
    scales += scaleStep;
  }
}

/** A value as f16. NaN would be read back as a number, so it is noted and the step fails. */
// @ts-ignore: decorator
@inline function storeF16(to: usize, x: f32): void {
  const bits = f32ToF16(x);
  if ((bits & 0x7fff) == F16_NAN) store<i32>(BROKEN, 1);
  store<u16>(to, bits);
}

export function storeKey(type: u32, x: usize, width: i32, tile: usize, slot: i32): void {
  const s = <usize>slot;
  if (type == KV_F32) {
    for (let d: usize = 0; d < <usize>width; d++) store<f32>(tile + (d << 8) + (s << 2), load<f32>(x + (d << 2)));
  } else if (type == KV_F16) {
    for (let d: usize = 0; d < <usize>width; d++) storeF16(tile + (d << 7) + (s << 1), load<f32>(x + (d << 2)));
  } else {
    const scales = tile + (<usize>width << 6);
    store8(type == KV_INT8, x, width, tile + s, 64, scales + (s << 2), 256);
  }
}

export function storeValue(type: u32, x: usize, width: i32, tile: usize, slot: i32): void {
  const w = <usize>width, s = <usize>slot;
  if (type == KV_F32) {
    memory.copy(tile + ((s * w) << 2), x, w << 2);
  } else if (type == KV_F16) {
    for (let d: usize = 0; d < w; d++) storeF16(tile + ((s * w + d) << 1), load<f32>(x + (d << 2)));
  } else {
    store8(type == KV_INT8, x, width, tile + s * w, 1, tile + (w << 6) + ((s * ((w + 31) >> 5)) << 2), 4);
  }
}

/** Keys of the first `used` (rounded up to 4) positions of a tile as f32, [width][64]: in place or at `to`. */
export function loadKeys(type: u32, tile: usize, width: i32, used: i32, to: usize): usize {
  if (type == KV_F32) return tile;
  const end = <usize>((used + 3) & ~3);
  if (type == KV_F16) {
    for (let d: usize = 0; d < <usize>width; d++) {
      for (let p: usize = 0; p < end; p += 4) v128.store(to + (d << 8) + (p << 2), f16x4(tile + (d << 7) + (p << 1)));
    }
    return to;
  }
  const scales = tile + (<usize>width << 6);
  for (let d: usize = 0; d < <usize>width; d++) {
    for (let p: usize = 0; p < end; p += 4) {
      const q = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(tile + (d << 6) + p))));
      v128.store(to + (d << 8) + (p << 2), f32x4.mul(q, v128.load(scales + ((d >> 5) << 8) + (p << 2))));
    }
  }
  return to;
}

/**
 * Values that are the first `width` channels of the keys, [64][width] at `to`: keys as loadKeys gives them, four
 * channels of four positions at a time. Width: a multiple of 4.
 */
export function valuesOfKeys(keys: usize, width: i32, used: i32, to: usize): void {
  const step = <usize>width << 2, end = <usize>((used + 3) & ~3) << 2;
  for (let d: usize = 0; d < step; d += 16) {
    const row = keys + (d << 6);
    for (let p: usize = 0; p < end; p += 16) {
      const a = v128.load(row + p), b = v128.load(row + p, 256), c = v128.load(row + p, 512), e = v128.load(row + p, 768);
      const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
      const ce0 = v128.shuffle<i32>(c, e, 0, 4, 1, 5), ce1 = v128.shuffle<i32>(c, e, 2, 6, 3, 7);
      const y = to + (p >> 2) * step + d;
      v128.store(y, v128.shuffle<i64>(ab0, ce0, 0, 2));
      v128.store(y + step, v128.shuffle<i64>(ab0, ce0, 1, 3));
      v128.store(y + 2 * step, v128.shuffle<i64>(ab1, ce1, 0, 2));
      v128.store(y + 3 * step, v128.shuffle<i64>(ab1, ce1, 1, 3));
    }
  }
}

/** Values of the first `used` positions as f32, [64][width]: in place or at `to`. Width: a multiple of 4. */
export function loadValues(type: u32, tile: usize, width: i32, used: i32, to: usize): usize {
  if (type == KV_F32) return tile;
  const w = <usize>width;
  if (type == KV_F16) {
    for (let i: usize = 0, n = w * used; i < n; i += 4) v128.store(to + (i << 2), f16x4(tile + (i << 1)));
    return to;
  }
  const scales = tile + (w << 6), blocks = (w + 31) >> 5;
  for (let p: usize = 0; p < <usize>used; p++) {
    for (let d: usize = 0; d < w; d += 4) {
      const i = p * w + d;
      const q = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(tile + i))));
      v128.store(to + (i << 2), f32x4.mul(q, v128.load32_splat(scales + ((p * blocks + (d >> 5)) << 2))));
    }
  }
  return to;
}
