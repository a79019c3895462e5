/**
 * LINEAR: TO [rows, 8 x ROW_GROUPS] = activations x weights^T, by a kernel from outside: the lab's, plugged into the
 * function table. The kernel itself divides the rows among UNITS workers: a chunk is one worker's call. Activations and
 * TO lie row after row without gaps. SETTLE brings the result to where a MATMUL would have put it.
 *
 * The kernel's parameters are those of lab/00-reference/kernel.ts; its counter is a word of the op's record, which
 * `begin` (sync.ts) sets to zero.
 */
import { COUNTER, GEMV, ROW_GROUPS, TO, UNITS, WEIGHTS, WIDTH, X_PRIVATE, X_SHARED } from '../record';

export function linearChunk(op: usize, chunk: i32, rows: i32, region: usize, scratch: usize): void {
  const x = rows == 1 ? region + load<u32>(op + X_PRIVATE) : <usize>load<u32>(op + X_SHARED);
  call_indirect<void>(
    load<u32>(op + GEMV), <usize>load<u32>(op + WEIGHTS), x, <usize>load<u32>(op + TO), load<i32>(op + ROW_GROUPS) << 3,
    load<i32>(op + WIDTH), rows, chunk, load<i32>(op + UNITS), op + COUNTER, scratch,
  );
}
