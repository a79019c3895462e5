/**
 * What goes into the matmuls of a model: the rows that its weights are multiplied with, in f32, before they are
 * quantized. For importance matrices, activation-aware quantization and the like. Only a model loaded with
 * `observe` has room for them: its programs then copy the rows of every ACTIVATE op into a buffer of their own.
 */
import type { SegmentLayout } from './layout/types.ts';
import type { Observation } from './types.ts';

/** Which rows of a step belong to the caller. */
export interface StepShare {
  /** Index of the first in the step's batch, how many, and the position of the first in the caller's ids. */
  row: number;
  count: number;
  start: number;
  /** The same among the rows whose logits are wanted; `outputs` is 0 where none are. */
  output: number;
  outputs: number;
}

/** Shows the observed inputs of one segment in the order of the program. The rows are views into its memory. */
export function showObserved(
  memory: WebAssembly.Memory,
  layout: SegmentLayout,
  share: StepShare,
  visit: (observation: Observation) => void,
): void {
  layout.program.ops.forEach((op, index) => {
    const address = layout.observed.get(index);
    if (op.kind !== 'activate' || address === undefined) return;
    const users = op.users.filter(({ parts }) => parts === undefined);
    const tensors = [...new Set(users.map(({ tensor }) => tensor.name))];
    const first = op.onOutputs ? share.output : share.row;
    const count = op.onOutputs ? share.outputs : share.count;
    if (count === 0) return;
    visit({
      tensors,
      width: op.width,
      count,
      start: op.onOutputs ? share.start + share.count - count : share.start,
      rows: new Float32Array(memory.buffer, address + first * op.width * 4, count * op.width),
    });
  });
}
