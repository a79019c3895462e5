/** What a worker needs for itself: scratch of the chunks that it computes, and the stage that it loads through. */
import { ATTEND_ROWS, PAGE } from '../../kernels/control.ts';
import { fileRowBytes, groupBytes, type WeightFormat } from '../../kernels/formats.ts';
import type { ModelSpec } from '../architectures/types.ts';
import { LINEAR_SCRATCH } from '../linear.ts';
import type { SegmentProgram } from '../program.ts';
import type { Weight } from '../weights.ts';
import { align } from './addresses.ts';
import { padded } from './buffers.ts';
import type { LayoutOptions } from './types.ts';

/** Bytes of raw rows that a worker reads at a time while loading. */
const STAGE_BYTES = 1 << 20;

/** Weights that whichever kernel unpacks at a time, in its scratch. */
export const UNPACKED_BYTES = 10240;

/** Scratch of a chunk of whichever op of a segment. */
export function scratchBytes(
  spec: ModelSpec,
  program: SegmentProgram,
  { batch, kernel }: LayoutOptions,
): number {
  return Math.max(
    normScratch(spec, program),
    routeScratch(program),
    segmentAttendScratch(spec, program),
    matmulScratch(program, batch),
    embedScratch(program),
    kernel ? LINEAR_SCRATCH : 0,
  );
}

/** The widest row that is normed. */
function normScratch(spec: ModelSpec, { ops }: SegmentProgram): number {
  const widths = ops.map((op) =>
    op.kind === 'activate' ? op.width : op.kind === 'addNorm' ? spec.width : 0,
  );
  return padded(Math.max(0, ...widths)) * 4;
}

/** Scores of a token's experts, and what is made of them: see assembly/ops/route.ts. */
function routeScratch({ ops }: SegmentProgram): number {
  return padded(Math.max(0, ...ops.map((op) => (op.kind === 'route' ? op.experts.count : 0)))) * 12;
}

function segmentAttendScratch(spec: ModelSpec, { first, last }: SegmentProgram): number {
  const groups = spec.layers.slice(first, last).map((layer) => layer.heads / layer.kvHeads);
  return attendScratch(Math.max(0, ...groups), spec.headWidth, spec.valueWidth);
}

/**
 * Bytes of scratch of an attention chunk, as attendRun in assembly/ops/attend.ts divides them: per row its query, its
 * output, the scores of a page, maximum and sum; then the page's keys and values in f32.
 *
 * @param queries query heads per KV head
 */
export function attendScratch(queries: number, headWidth: number, valueWidth: number): number {
  const rows = align(Math.max(ATTEND_ROWS, queries), 4);
  return rows * (headWidth * 4 + valueWidth * 4 + PAGE * 4 + 8) + (headWidth + valueWidth) * PAGE * 4;
}

/**
 * Scratch of a matmul chunk: the sums of a row group (or, of one row, of groups that are gated or scaled), those of up,
 * unpacked weights.
 */
function matmulScratch({ ops }: SegmentProgram, batch: number): number {
  const groups = ops.map((op) =>
    (op.kind === 'matmul' && (op.up || op.scale)) || (op.kind === 'expertMatmul' && op.up)
      ? Math.ceil(op.weight.rows / 8)
      : 0,
  );
  return Math.max(2 * batch, ...groups) * 32 + UNPACKED_BYTES;
}

/** Scratch of an embedding that is added: its row, then what the kernel unpacks. */
function embedScratch({ ops }: SegmentProgram): number {
  const widths = ops.map((op) => (op.kind === 'embed' && op.by !== 'token' ? op.weight.columns : 0));
  return Math.max(0, ...widths) * 4 + UNPACKED_BYTES;
}

/** Bytes that a worker's stage has for raw rows of any of these weights. */
export function stageBytes(weights: readonly Weight[]): number {
  return align(Math.max(STAGE_BYTES, ...weights.map(stageNeed)), 4096);
}

/** Bytes of the stage that 8 rows of a weight need while loading, and a transposed one besides. */
function stageNeed({ format, transposed, rows, columns }: Weight): number {
  if (!format) return 0;
  return transposed
    ? fileRowBytes(transposed, rows) * 8 + transposeScratch(transposed, rows)
    : fileRowBytes(format, columns) * 8;
}

/** Scratch of transposeRows in assembly/quant/transpose.ts, for rows of so many columns. */
export function transposeScratch(format: WeightFormat, columns: number): number {
  return align(groupBytes(format, columns) + columns * 4 + 16, 64);
}
