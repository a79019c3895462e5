/** Times per op, as the workers wrote them, as rows to print. */
import type { SegmentLayout } from './layout/types.ts';
import { partBytes } from './layout/weights.ts';
import type { Op } from './program.ts';
import type { ProfileRow } from './types.ts';

/** What has been computed so far. */
export interface StepCounts {
  steps: number;
  tokens: number;
  outputs: number;
}

/** A row's name: what the op does, and for a matmul the tensor without its layer. */
function label(op: Op): string {
  if (!('weight' in op) || op.kind === 'embed') return op.kind;
  const part = op.weight.tensor.name.replace(/^blk\.\d+\./, '').replace(/\.weight$/, '');
  if (op.kind === 'linear') return `linear ${part}`;
  return 'up' in op && op.up ? `matmul ${part} + up` : `matmul ${part}`;
}

/** Multiplications of an op, and bytes of weights that it read; of experts at most. */
function work(op: Op, { steps, tokens, outputs }: StepCounts): { macs: number; bytes: number } {
  if (!('weight' in op) || op.kind === 'embed') return { macs: 0, bytes: 0 };
  let rows = 'onOutputs' in op && op.onOutputs ? outputs : tokens;
  let parts = steps;
  if (op.kind === 'expertMatmul') {
    rows = tokens * op.experts.used;
    parts = Math.min(rows, op.experts.count * steps);
  } else if (op.kind === 'headMatmul') {
    rows = tokens * op.heads;
    parts = op.heads * steps;
  }
  const matrices = 'up' in op && op.up ? 2 : 1;
  return {
    macs: matrices * op.weight.rows * op.weight.columns * rows,
    bytes: matrices * partBytes(op.weight) * parts,
  };
}

/** Bytes of weights that a step of one token reads. */
export function bytesPerToken(ops: readonly Op[]): number {
  return ops.reduce((sum, op) => sum + work(op, { steps: 1, tokens: 1, outputs: 1 }).bytes, 0);
}

/** Rows of one segment: the same op of all layers together, and the time at barriers as a row of its own. */
export function readProfile(
  memory: WebAssembly.Memory,
  layout: SegmentLayout,
  threads: number,
  counts: StepCounts,
): ProfileRow[] {
  if (layout.profile === 0) return [];
  const times = new Float64Array(memory.buffer, layout.profile, threads * layout.program.ops.length * 2);
  const rows = new Map<string, ProfileRow>();
  const add = (op: string, milliseconds: number, macs: number, bytes: number) => {
    const row = rows.get(op) ?? { op, calls: 0, milliseconds: 0, macs: 0, bytes: 0 };
    row.calls += counts.steps;
    row.milliseconds += milliseconds;
    row.macs += macs;
    row.bytes += bytes;
    rows.set(op, row);
  };
  layout.program.ops.forEach((op, i) => {
    let worked = 0;
    let waited = 0;
    for (let worker = 0; worker < threads; worker++) {
      const at = (i * threads + worker) * 2;
      worked += times[at]!;
      waited += times[at + 1]!;
    }
    const { macs, bytes } = work(op, counts);
    // What only steps for hidden states run, and none has.
    if (i >= layout.program.usual && worked === 0) return;
    add(label(op), worked, macs, bytes);
    add('barrier', waited, 0, 0);
  });
  return [...rows.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}
