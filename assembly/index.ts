/** What a kernel module exports; src/kernels/exports.ts has the types. */
import { finish, take } from './sync';

export { walk } from './program';
export { begin, awaitStep, endStep } from './sync';
export { kernelIndex } from './quant';
export { transposeRows } from './quant/transpose';
export { quantizeRow, quantizeRowBy } from './quant/activations';
export { tileBytes } from './ops/kv-cache';
export { normRow } from './ops/norm';
export { readAll, spinDots, spinMadds } from './limits';
export { signedDot } from './isa';

/**
 * Rewrites rows of a weight matrix as groups of 8; `repack` is a table index. Rows that the last group lacks are zero.
 * Not 0: there are NaN or infinite values among the scales or weights.
 */
export function repackGroups(
  repack: u32, from: usize, rowBytes: usize, rows: i32, to: usize, groupBytes: usize, units: i32,
): u32 {
  let bad: u32 = 0;
  for (; rows > 0; rows -= 8) {
    if (rows < 8) memory.fill(to, 0, groupBytes);
    bad |= call_indirect<u32>(repack, from, rowBytes, min(8, rows), to, units);
    from += rowBytes << 3;
    to += groupBytes;
  }
  return bad;
}

/** For the worker that brings the hidden state to a segment: true once per step. */
export function takeReceive(epoch: i32): bool {
  return take(0, epoch, 1) == 0;
}

/** The hidden state has arrived. */
export function finishReceive(): void {
  finish(0);
}
