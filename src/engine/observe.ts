/**
 * What goes into the matmuls of a model: the rows that its weights are multiplied with, in f32, before they are
 * quantized. For importance matrices, activation-aware quantization and the like. Only a model loaded with
 * `observe` has room for them: its programs then copy the rows of every ACTIVATE op into a buffer of their own, and
 * which experts every token has chosen.
 */
import type { SegmentLayout } from './layout/types.ts';
import type { Op } from './program.ts';
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

type Activate = Extract<Op, { kind: 'activate' }>;

/** Shows the observed inputs of one segment in the order of the program. The rows are views into its memory. */
export function showObserved(
  memory: WebAssembly.Memory,
  layout: SegmentLayout,
  share: StepShare & { experts: boolean },
  visit: (observation: Observation) => void,
): void {
  const rowsAt = (address: number, first: number, count: number, width: number): Float32Array =>
    new Float32Array(memory.buffer, address + first * width * 4, count * width);
  /** The rows of the tokens that experts are chosen for, and the caller's pairs of expert and place. */
  let tokens: { op: Activate; address: number } | undefined;
  let pairs = new Int32Array(0);
  layout.program.ops.forEach((op, index) => {
    const address = layout.observed.get(index);
    if (address === undefined) return;
    if (op.kind === 'activate' && !op.experts) {
      const tensors = namesOf(op, false);
      const first = op.onOutputs ? share.output : share.row;
      const count = op.onOutputs ? share.outputs : share.count;
      const start = op.onOutputs ? share.start + share.count - count : share.start;
      const rows = rowsAt(address, first, count, op.width);
      if (count > 0) visit({ tensors, width: op.width, count, start, rows });
      if (namesOf(op, true).length > 0) tokens = { op, address };
    }
    if (!share.experts || share.count === 0) return;
    if (op.kind === 'sort' && tokens) {
      const { used } = op.experts;
      pairs = new Int32Array(memory.buffer, address + share.row * used * 8, share.count * used * 2);
      const { width } = tokens.op;
      const rows = rowsAt(tokens.address, share.row, share.count, width);
      visit(
        ofExperts(tokens.op, op.experts.count, share, pairs, (pair) =>
          at(rows, Math.floor(pair / used), width),
        ),
      );
    }
    if (op.kind === 'activate' && op.experts) {
      visit(ofExperts(op, op.experts.count, share, pairs, (_, place) => rowsAt(address, place, 1, op.width)));
    }
  });
}

/** Names of the matrices that read an input: those of experts, or the others. */
function namesOf({ users }: Activate, ofExperts: boolean): string[] {
  const some = users.filter(({ parts }) => (parts !== undefined) === ofExperts);
  return [...new Set(some.map(({ tensor }) => tensor.name))];
}

const at = (rows: Float32Array, row: number, width: number): Float32Array =>
  rows.subarray(row * width, (row + 1) * width);

/** The rows of pairs of a token and an expert, in the order of the tokens. */
function ofExperts(
  op: Activate,
  experts: number,
  { start }: StepShare,
  pairs: Int32Array,
  rowOf: (pair: number, place: number) => Float32Array,
): Observation {
  const count = pairs.length / 2;
  const rows = new Float32Array(count * op.width);
  const chosen = new Int32Array(count);
  for (let pair = 0; pair < count; pair++) {
    chosen[pair] = pairs[2 * pair]!;
    rows.set(rowOf(pair, pairs[2 * pair + 1]!), pair * op.width);
  }
  return {
    tensors: namesOf(op, true),
    width: op.width,
    count,
    start,
    rows,
    experts: { count: experts, chosen },
  };
}
