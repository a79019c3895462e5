/**
 * The values that a quantized block can hold, for quantizers that choose integers themselves (feedback.ts): column c of
 * a block holds step[g] * q - minimum[g] for integers q of least .. most, where g = c / columnsPerScale. The scales come
 * from a block that another quantizer has made; only its integers are written anew.
 *
 * Steps and minimums of eight rows lie side by side, 32 bytes per g: a row writes its own lane.
 */
import { f16ToF32 } from '../isa';
import { packBlock32 } from './block32';
import { packQ2K, packQ4K, packQ5K } from './k-blocks';
import { packQ3K, packQ6K } from './k-signed';

// GGUF tensor types.
const Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14;

/** Columns of a block; 0: no such grid. */
export function gridColumns(type: i32): i32 {
  if (type == Q4_0 || type == Q4_1 || type == Q5_0 || type == Q5_1 || type == Q8_0) return 32;
  return type >= Q2_K && type <= Q6_K ? 256 : 0;
}

/** Columns that share a scale. */
export function columnsPerScale(type: i32): i32 {
  return type == Q2_K || type == Q3_K || type == Q6_K ? 16 : 32;
}

/** The least integer; the file holds q - least. */
export function leastInteger(type: i32): i32 {
  switch (type) {
    case Q4_0: return -8;
    case Q5_0: return -16;
    case Q8_0: return -127;
    case Q3_K: return -4;
    case Q6_K: return -32;
    default: return 0;
  }
}

/** How many integers there are, less one. */
export function integerRange(type: i32): i32 {
  switch (type) {
    case Q8_0: return 254;
    case Q2_K: return 3;
    case Q3_K: return 7;
    case Q5_0: case Q5_1: case Q5_K: return 31;
    case Q6_K: return 63;
    default: return 15;
  }
}

// @ts-ignore: decorator
@inline function put(steps: usize, minimums: usize, g: usize, step: f32, minimum: f32): void {
  store<f32>(steps + (g << 5), step);
  store<f32>(minimums + (g << 5), minimum);
}

/** Writes steps and minimums of a block: a lane of each 32 bytes. */
export function readGrid(type: i32, block: usize, steps: usize, minimums: usize): void {
  if (type <= Q8_0) {
    const offset = type == Q4_1 || type == Q5_1;
    return put(steps, minimums, 0, f16ToF32(load<u16>(block)), offset ? -f16ToF32(load<u16>(block, 2)) : 0);
  }
  if (type == Q3_K || type == Q6_K) {
    const d = f16ToF32(load<u16>(block + (type == Q3_K ? 108 : 208)));
    for (let g: usize = 0; g < 16; g++) {
      const scale = type == Q6_K ? <i32>load<i8>(block + 192 + g) : q3Scale(block + 96, g);
      put(steps, minimums, g, d * <f32>scale, 0);
    }
    return;
  }
  const pair = block + (type == Q2_K ? 80 : 0), d = f16ToF32(load<u16>(pair)), dmin = f16ToF32(load<u16>(pair, 2));
  if (type == Q2_K) {
    for (let g: usize = 0; g < 16; g++) {
      const sc = <i32>load<u8>(block + g);
      put(steps, minimums, g, d * <f32>(sc & 15), dmin * <f32>(sc >> 4));
    }
    return;
  }
  for (let g: usize = 0; g < 8; g++) {
    const at = block + 4 + (g & 3), low = <i32>load<u8>(at), middle = <i32>load<u8>(at, 4), high = <i32>load<u8>(at, 8);
    const scale = g < 4 ? low & 63 : (high & 15) | ((low >> 6) << 4);
    const minimum = g < 4 ? middle & 63 : (high >> 4) | ((middle >> 6) << 4);
    put(steps, minimums, g, d * <f32>scale, dmin * <f32>minimum);
  }
}

/** Six bits: low nibbles of 0..7 and 8..15 side by side, then the high pairs of bits of g, g + 4, g + 8 and g + 12. */
// @ts-ignore: decorator
@inline function q3Scale(scales: usize, g: usize): i32 {
  const low = (<i32>load<u8>(scales + (g & 7)) >> (g & 8 ? 4 : 0)) & 15;
  const high = (<i32>load<u8>(scales + 8 + (g & 3)) >> <i32>((g >> 2) << 1)) & 3;
  return (low | (high << 4)) - 32;
}

/** Writes a block's integers, bytes of 0 .. integerRange at `from` in the order of columns. The bytes there may change. */
export function storeIntegers(type: i32, from: usize, block: usize): void {
  switch (type) {
    case Q4_0: return packBlock32(from, block + 2, false);
    case Q4_1: return packBlock32(from, block + 4, false);
    case Q5_0: return packBlock32(from, block + 2, true);
    case Q5_1: return packBlock32(from, block + 4, true);
    case Q2_K: return packQ2K(from, block);
    case Q3_K: return packQ3K(from, block);
    case Q4_K: return packQ4K(from, block);
    case Q5_K: return packQ5K(from, block);
    case Q6_K: return packQ6K(from, block);
  }
  for (let i: usize = 0; i < 32; i += 16) {
    v128.store(block + 2 + i, i8x16.sub(v128.load(from + i), i8x16.splat(127)));
  }
}
