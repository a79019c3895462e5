/**
 * 4-bit weights in the layouts of the lab (lab/kit): for kernels from outside, which assembly/ops/linear.ts calls.
 * Both are blocks of scale, minimum and 32 nibbles: Q4_1's; a Q4_0 block is one whose minimum is -8 scales.
 *
 *   rows     row after row, blocks of 20 bytes as in a Q4_1 file; 8 of them take as much as a group of 8
 *   groups   8 rows interleaved, as q4_1.ts has them
 */
import { f16ToF32, f32ToF16 } from '../isa';
import { interleave, storeScale } from './repack';

/** The minimum of a Q4_0 block with this scale. Beyond f16 it is infinite, which storeScale finds. */
// @ts-ignore: decorator
@inline function minimumOf(scale: u32): u32 {
  const minimum = f16ToF32(scale) * -8;
  return abs(minimum) > 65504 ? 0x7c00 : f32ToF16(minimum);
}

export function repackQ4_0Groups(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  let bad: u32 = 0;
  for (let b = 0; b < blocks; b++) {
    for (let r: usize = 0; r < <usize>rows; r++) {
      const scale: u32 = load<u16>(from + r * rowBytes);
      bad |= storeScale(to + (r << 1), scale) | storeScale(to + 16 + (r << 1), minimumOf(scale));
    }
    interleave(from + 2, rowBytes, rows, to + 32);
    from += 18;
    to += 160;
  }
  return bad;
}

/** Rows whose blocks have `heads` bytes of scale (and minimum) before the nibbles. */
// @ts-ignore: decorator
@inline function copyRows(heads: usize, from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  let bad: u32 = 0;
  for (let r = 0; r < rows; r++) {
    let block = from + <usize>r * rowBytes;
    for (let b = 0; b < blocks; b++) {
      const scale: u32 = load<u16>(block);
      bad |= storeScale(to, scale);
      bad |= storeScale(to + 2, heads == 2 ? minimumOf(scale) : load<u16>(block, 2));
      v128.store(to + 4, v128.load(block + heads));
      block += heads + 16;
      to += 20;
    }
  }
  return bad;
}

export function repackQ4_0Rows(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return copyRows(2, from, rowBytes, rows, to, blocks);
}

export function repackQ4_1Rows(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return copyRows(4, from, rowBytes, rows, to, blocks);
}
