/**
 * The retired on-disk ARM layouts Q4_0_4_4, Q4_0_4_8 and Q4_0_8_8 (GGUF types 31 to 33): Q4_0 with R rows
 * interleaved in runs of B bytes. Loading undoes it; at run time they are Q4_0.
 *
 * R rows form a group of units of 18 R bytes, one per 32 columns: R f16 scales, then 16 R bytes; byte
 * (j / B) B R + r B + j mod B is byte j of row r's Q4_0 block, xor 0x88 (which makes nibbles signed).
 */
import { storeScale } from './repack';

// @ts-ignore: decorator
@inline function repackInterleaved(R: usize, B: usize, from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  let bad: u32 = 0;
  for (let r: usize = 0; r < <usize>rows; r++) {
    const group = from + r / R * R * rowBytes, lane = r % R;
    for (let b: usize = 0; b < <usize>blocks; b++) {
      const unit = group + b * R * 18, w = to + b * 144;
      bad |= storeScale(w + (r << 1), load<u16>(unit + (lane << 1)));
      for (let j: usize = 0; j < 16; j += 4) {
        const word = load<u32>(unit + 2 * R + j / B * B * R + lane * B + j % B) ^ 0x88888888;
        store<u32>(w + 16 + (j << 3) + (r << 2), word);
      }
    }
  }
  return bad;
}

export function repack4x4(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackInterleaved(4, 4, from, rowBytes, rows, to, blocks);
}

export function repack4x8(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackInterleaved(4, 8, from, rowBytes, rows, to, blocks);
}

export function repack8x8(from: usize, rowBytes: usize, rows: i32, to: usize, blocks: i32): u32 {
  return repackInterleaved(8, 8, from, rowBytes, rows, to, blocks);
}
