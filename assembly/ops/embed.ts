/** EMBED: rows of the embedding matrix by token id. GATHER: the rows whose logits are wanted, side by side. */
import { OUTPUT_ROWS, TOKEN_IDS } from '../control';
import {
  DEQUANTIZE, FROM, FROM_STRIDE, GROUP_BYTES, SCALE, TO, TO_STRIDE, UNITS, WEIGHTS, WIDTH,
} from '../record';

export function embedRow(op: usize, token: i32, scratch: usize): void {
  const id = load<i32>(<usize>load<u32>(TOKEN_IDS) + (<usize>token << 2));
  const group = <usize>load<u32>(op + WEIGHTS) + <usize>(id >> 3) * load<u32>(op + GROUP_BYTES);
  const to = <usize>load<u32>(op + TO) + <usize>token * load<u32>(op + TO_STRIDE);
  call_indirect<void>(load<u32>(op + DEQUANTIZE), group, id & 7, to, load<i32>(op + UNITS), scratch);
  const scale = load<f32>(op + SCALE);
  if (scale == 1) return;
  const s = f32x4.splat(scale);
  for (let p = to, end = to + (<usize>load<u32>(op + WIDTH) << 2); p < end; p += 16) {
    v128.store(p, f32x4.mul(v128.load(p), s));
  }
}

export function gatherRow(op: usize, output: i32): void {
  const row = load<i32>(<usize>load<u32>(OUTPUT_ROWS) + (<usize>output << 2));
  memory.copy(
    <usize>load<u32>(op + TO) + <usize>output * load<u32>(op + TO_STRIDE),
    <usize>load<u32>(op + FROM) + <usize>row * load<u32>(op + FROM_STRIDE),
    <usize>load<u32>(op + WIDTH) << 2,
  );
}
