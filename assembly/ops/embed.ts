/**
 * EMBED: rows of an embedding matrix by token id or by position, set or added. GATHER: the rows whose logits are wanted, side by side.
 */
import { OUTPUT_ROWS, POSITIONS, TOKEN_IDS } from '../control';
import {
  BY_POSITION, BY_ZERO, DEQUANTIZE, FROM, FROM_STRIDE, GROUP_BYTES, ROWS_BY, SCALE, START, START_ADD, TO, TO_STRIDE, UNITS,
  WEIGHTS, WIDTH,
} from '../record';

export function embedRow(op: usize, token: i32, scratch: usize): void {
  const by = load<u32>(op + ROWS_BY);
  const ids = <usize>load<u32>(by == BY_POSITION ? POSITIONS : TOKEN_IDS);
  const id = by == BY_ZERO ? 0 : load<i32>(ids + (<usize>token << 2));
  const group = <usize>load<u32>(op + WEIGHTS) + <usize>(id >> 3) * load<u32>(op + GROUP_BYTES);
  const to = <usize>load<u32>(op + TO) + <usize>token * load<u32>(op + TO_STRIDE);
  const kernel = load<u32>(op + DEQUANTIZE), units = load<i32>(op + UNITS);
  if (load<u32>(op + START) == START_ADD) {
    const bytes = <usize>load<u32>(op + WIDTH) << 2;
    call_indirect<void>(kernel, group, id & 7, scratch, units, scratch + bytes);
    for (let p: usize = 0; p < bytes; p += 16) v128.store(to + p, f32x4.add(v128.load(to + p), v128.load(scratch + p)));
    return;
  }
  call_indirect<void>(kernel, group, id & 7, to, units, scratch);
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
