/** Work buffers: f32 rows of a batch between ops, and the activations that matmuls read. */
import { activationBytes, type ActivationForm } from '../../kernels/formats.ts';
import { PEAK_SPAN } from '../../kernels/record.ts';
import type { ModelSpec } from '../architectures/types.ts';
import type { Buffer, SegmentProgram } from '../program.ts';
import { align, type Addresses } from './addresses.ts';
import type { ActivationSlots, BufferPlaces } from './types.ts';

/** Rows are padded to whole groups of 8, as the kernels write them. */
export const padded = (rows: number): number => align(rows, 8);

/** How many rows there are: of a batch, of a step's logits, of pairs of a token and one of its experts. */
export interface RowCounts {
  batch: number;
  outputs: number;
  pairs: number;
}

/** Elements per row of each buffer of a segment. */
function bufferWidths(spec: ModelSpec, program: SegmentProgram): Map<Buffer, number> {
  const layers = spec.layers.slice(program.first, program.last);
  const { latent } = spec;
  const most = (f: (layer: (typeof layers)[number]) => number) => Math.max(0, ...layers.map(f));
  return new Map<Buffer, number>([
    ['hidden', spec.width],
    ['query', most((layer) => layer.heads * (latent ? latent.plain + latent.rotary : spec.headWidth))],
    ['key', most((layer) => layer.kvHeads * spec.headWidth)],
    ['value', latent ? 0 : most((layer) => layer.kvHeads * spec.valueWidth)],
    ['attention', most((layer) => layer.heads * (latent?.value ?? spec.valueWidth))],
    ['lowQuery', latent?.queryRank ?? 0],
    ['latentQuery', latent ? most((layer) => layer.heads * spec.headWidth) : 0],
    ['latentOutput', latent ? most((layer) => layer.heads * spec.valueWidth) : 0],
    ['gate', most((layer) => layer.experts?.shared ?? layer.feedForward)],
    ['up', writes(program, 'up') ? most((layer) => layer.experts?.shared ?? layer.feedForward) : 0],
    ['branch', writes(program, 'branch') ? spec.width : 0],
    ['normed', program.ops.some((op) => op.kind === 'norm' && op.to === 'normed') ? spec.width : 0],
    ['share', writes(program, 'share') ? 1 : 0],
    ['router', most((layer) => layer.experts?.count ?? 0)],
    ['expertGate', most((layer) => layer.experts?.feedForward ?? 0)],
    ['expertUp', writes(program, 'expertUp') ? most((layer) => layer.experts?.feedForward ?? 0) : 0],
    ['expertOutput', most((layer) => (layer.experts ? spec.width : 0))],
    ['linear', Math.max(0, ...program.ops.map((op) => (op.kind === 'linear' ? op.weight.rows : 0)))],
    ['output', spec.width],
    ['logits', program.last === spec.layers.length ? spec.outputs : 0],
    [
      'peaks',
      program.ops.some((op) => op.kind === 'matmul' && op.peaks) ? Math.ceil(spec.outputs / PEAK_SPAN) : 0,
    ],
  ]);
}

/** There are matmuls into this buffer. */
function writes(program: SegmentProgram, buffer: Buffer): boolean {
  const kinds = ['matmul', 'expertMatmul', 'settle'];
  return program.ops.some((op) => kinds.includes(op.kind) && 'to' in op && op.to === buffer);
}

/** Buffers of the rows whose logits are wanted. */
const OF_OUTPUTS: ReadonlySet<Buffer> = new Set(['output', 'logits', 'peaks']);

export function placeBuffers(
  addresses: Addresses,
  spec: ModelSpec,
  program: SegmentProgram,
  { batch, outputs, pairs }: RowCounts,
): BufferPlaces {
  const places: BufferPlaces = new Map();
  for (const [name, width] of bufferWidths(spec, program)) {
    // A row more than a power of two apart from the next: rows do not fight for the same cache lines.
    const stride = padded(width) * 4 + (width > 0 ? 64 : 0);
    const rows = OF_OUTPUTS.has(name) ? outputs : name.startsWith('expert') ? pairs : batch;
    places.set(name, { address: addresses.take(stride * rows), stride });
  }
  return places;
}

/** Bytes of the widest row of each form that any op wants: of tokens, and of pairs. */
function rowBytes(program: SegmentProgram): Record<'tokens' | 'pairs', Map<ActivationForm, number>> {
  const tokens = new Map<ActivationForm, number>();
  const pairs = new Map<ActivationForm, number>();
  const widen = (to: Map<ActivationForm, number>, form: ActivationForm, width: number) =>
    to.set(form, Math.max(to.get(form) ?? 0, activationBytes(form, width)));
  for (const op of program.ops) {
    if (op.kind === 'activate')
      for (const form of op.forms) widen(op.experts ? pairs : tokens, form, op.width);
    else if (op.kind === 'dispatch') widen(pairs, op.form, op.width);
  }
  return { tokens, pairs };
}

/** Activations of batches, and how much of each private region a single row takes: `privateBytes`. */
export function placeActivations(
  addresses: Addresses,
  program: SegmentProgram,
  { batch, pairs }: RowCounts,
): { slots: ActivationSlots; pairSlots: ActivationSlots; privateBytes: number } {
  const bytes = rowBytes(program);
  const strideOf = (rowBytes: number) => align(rowBytes, 64) + 64;
  let privateBytes = 0;
  const slots: ActivationSlots = new Map();
  for (const [form, row] of bytes.tokens) {
    const stride = strideOf(row);
    slots.set(form, { shared: addresses.take(stride * batch), private: privateBytes, stride });
    privateBytes += stride;
  }
  const pairSlots: ActivationSlots = new Map();
  for (const [form, row] of bytes.pairs) {
    const stride = strideOf(row);
    pairSlots.set(form, { shared: addresses.take(stride * pairs), private: 0, stride });
  }
  return { slots, pairSlots, privateBytes };
}
