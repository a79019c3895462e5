/** What is counted: a kernel, and the call of it. */
import { activationBytes, weightBytes } from '../problems/index.ts';
import { place, SCRATCH_BYTES } from '../runner/memory.ts';
import type { Source } from '../kernel.ts';
import type { Stage } from '../stages.ts';

/** A kernel to count: its module lies in a file of its own. */
export interface Subject {
  stage: Stage;
  source: Source;
  wasm: string;
}

/** Larger matrices cost the same per weight. */
export const SHAPE = { rows: 256, columns: 1024 };

/** Arguments of `linear` for one of `workers` workers, where its counter lies, and bytes of the memory. */
export function callOf({ layout, tokens }: Stage, worker: number, workers: number) {
  const shape = { ...SHAPE, tokens };
  const placement = place({
    weights: weightBytes(layout, shape),
    activations: activationBytes(layout, shape),
    output: shape.rows * tokens * 4,
    workers,
  });
  const { weights, activations, output, counter, bytes } = placement;
  const scratch = placement.scratch + worker * SCRATCH_BYTES;
  return {
    numbers: [
      weights,
      activations,
      output,
      shape.rows,
      shape.columns,
      tokens,
      worker,
      workers,
      counter,
      scratch,
    ],
    counter,
    bytes,
    macs: shape.rows * shape.columns * tokens,
  };
}
