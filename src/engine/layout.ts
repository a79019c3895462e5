/**
 * Where everything lies in a segment's memory. From low to high addresses:
 *
 *   constants, control block | op records | tickets | step inputs | work buffers | private regions
 *   | vectors (norms, biases) | weight matrices in row groups | observed inputs | KV pages
 *
 * Nothing is allocated here: a layout is numbers, so that a model's need is known before any memory is.
 */
import { ModelError } from '../errors.ts';
import {
  activationBytes,
  fileRowBytes,
  groupBytes,
  type ActivationForm,
  type WeightFormat,
} from '../kernels/formats.ts';
import { CONTROL, PAGE } from '../kernels/control.ts';
import { KV_F16, KV_F32, KV_Q8_0, RECORD_BYTES } from '../kernels/record.ts';
import type { ExpertSpec, ModelSpec } from './architectures/types.ts';
import type { Fusion } from './fusion.ts';
import type { Buffer, Op, SegmentProgram } from './program.ts';
import { LINEAR_SCRATCH, LINEAR_STATICS_END, type LinearKernel } from './linear.ts';
import { formOf, type Weight } from './weights.ts';
import type { KvType } from './types.ts';

export interface LayoutOptions {
  threads: number;
  /** Tokens in a batch at most. */
  batch: number;
  /** Rows of logits in a step at most. */
  outputs: number;
  /** Pages of the KV cache. */
  pages: number;
  kvType: KvType;
  /** f32 activations for all matmuls. */
  exact: boolean;
  profile: boolean;
  /** What is done in ops of their own instead of in one: see fusion.ts. */
  split: readonly Fusion[];
  /** Keep the inputs of matmuls: see observe.ts. */
  observe: boolean;
  /** For the 4-bit linear layers, in the place of the engine's own. */
  kernel?: LinearKernel;
}

/** Sequences in one batch at most: each has a page table in the step inputs. */
export const MOST_RUNS = 32;
/** Bytes of raw rows that a worker reads at a time while loading. */
const STAGE_BYTES = 1 << 20;
/** wasm32: end addresses must not wrap, so the last 64 KiB stay unused. */
export const MEMORY_LIMIT = 2 ** 32 - 65536;

export const KV_CODES: Record<KvType, number> = { f32: KV_F32, f16: KV_F16, q8_0: KV_Q8_0 };

/** Where one form of the activations lies: for batches, and within a private region for a single row. */
export interface ActivationSlot {
  shared: number;
  private: number;
  /** Bytes of the widest row. */
  stride: number;
}

export interface SegmentLayout {
  program: SegmentProgram;
  /** Address of op records and of their counters. */
  records: number;
  tickets: number;
  inputs: {
    tokenIds: number;
    positions: number;
    pageTables: number;
    outputRows: number;
    /** One per rope of the model. */
    ropes: number[];
    /** MOST_RUNS page tables of `pages` u32 each. */
    pageNumbers: number;
  };
  /** Address and row stride in bytes of each buffer. */
  buffers: Map<Buffer, { address: number; stride: number }>;
  slots: Map<ActivationForm, ActivationSlot>;
  /** The same for pairs of a token and one of its experts. */
  pairSlots: Map<ActivationForm, ActivationSlot>;
  /** Who goes through which expert: tables of assembly/ops/route.ts; all 0 without experts. */
  routing: { chosen: number; shares: number; places: number; active: number };
  private: { address: number; bytes: number; scratch: number };
  /** Where ACTIVATE ops copy their rows to, [batch x width] f32, by index of the op; empty without `observe`. */
  observed: Map<number, number>;
  observedBytes: number;
  /** Times per worker and op, 0 without profiling. */
  profile: number;
  /** Raw bytes while loading: `stageBytes` per worker, over the work buffers. */
  stage: number;
  stageBytes: number;
  /** Address of each weight, by its key. */
  weights: Map<string, number>;
  weightBytes: number;
  kv: { address: number; pageBytes: number; layers: Map<number, { keys: number; values: number }> };
  /** All in all, a multiple of 64 KiB. */
  bytes: number;
}

const align = (n: number, to: number) => Math.ceil(n / to) * to;

/** Rows are padded to whole groups of 8, as the kernels write them. */
export const padded = (rows: number) => align(rows, 8);

/** Bytes of the run-time form of a weight, or of one of its parts. */
export function partBytes(weight: Weight): number {
  if (!weight.format) return padded(weight.columns) * 4;
  return groupBytes(weight.format, weight.columns) * Math.ceil(weight.rows / 8);
}

/** Bytes of the run-time form of a weight. */
export function weightBytes(weight: Weight): number {
  return partBytes(weight) * (weight.parts?.count ?? 1);
}

/** The weights that an op reads. */
export function weightsOf(op: Op): Weight[] {
  switch (op.kind) {
    case 'embed':
      return [op.weight];
    case 'activate':
    case 'norm':
    case 'addNorm':
      return [op.norm?.weight, op.norm?.bias].filter((weight) => weight !== undefined);
    case 'matmul':
      return [op.weight, op.up, op.bias].filter((weight) => weight !== undefined);
    case 'expertMatmul':
      return [op.weight, op.up].filter((weight) => weight !== undefined);
    case 'headMatmul':
    case 'linear':
      return [op.weight];
    case 'settle':
      return op.bias ? [op.bias] : [];
    case 'latent':
      return [op.kNorm];
    case 'route':
      return op.bias ? [op.bias] : [];
    case 'rotate':
      return [op.qNorm, op.kNorm].filter((weight) => weight !== undefined);
    default:
      return [];
  }
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
    ['router', most((layer) => layer.experts?.count ?? 0)],
    ['expertGate', most((layer) => layer.experts?.feedForward ?? 0)],
    ['expertUp', writes(program, 'expertUp') ? most((layer) => layer.experts?.feedForward ?? 0) : 0],
    ['expertOutput', most((layer) => (layer.experts ? spec.width : 0))],
    ['linear', Math.max(0, ...program.ops.map((op) => (op.kind === 'linear' ? op.weight.rows : 0)))],
    ['output', spec.width],
    ['logits', program.last === spec.layers.length ? spec.outputs : 0],
  ]);
}

/** There are matmuls into this buffer. */
function writes(program: SegmentProgram, buffer: Buffer): boolean {
  const kinds = ['matmul', 'expertMatmul', 'settle'];
  return program.ops.some((op) => kinds.includes(op.kind) && 'to' in op && op.to === buffer);
}

/** Bytes of one head's keys or values in a page: tileBytes in assembly/ops/kv-cache.ts. */
export function tileBytes(kvType: KvType, width: number): number {
  if (kvType === 'f32') return width * PAGE * 4;
  if (kvType === 'f16') return width * PAGE * 2;
  return width * PAGE + Math.ceil(width / 32) * PAGE * 4;
}

/** The same for values: with latent attention they are the keys' first channels. */
function valueTileBytes(spec: ModelSpec, kvType: KvType): number {
  return spec.latent ? 0 : tileBytes(kvType, spec.valueWidth);
}

/** Bytes of one page for the layers of a segment. */
export function pageBytes(spec: ModelSpec, first: number, last: number, kvType: KvType): number {
  const perHead = tileBytes(kvType, spec.headWidth) + valueTileBytes(spec, kvType);
  return spec.layers.slice(first, last).reduce((sum, layer) => sum + layer.kvHeads * perHead, 0);
}

/** Scratch of an attention chunk: see attendRun in assembly/ops/attend.ts. */
function attendScratch(spec: ModelSpec, program: SegmentProgram): number {
  const queries = Math.max(
    0,
    ...spec.layers.slice(program.first, program.last).map((l) => l.heads / l.kvHeads),
  );
  const rows = align(Math.max(64, queries), 4);
  return (
    rows * (spec.headWidth * 4 + spec.valueWidth * 4 + PAGE * 4 + 8) +
    (spec.headWidth + spec.valueWidth) * PAGE * 4
  );
}

/** Weights that whichever kernel unpacks at a time. */
const UNPACKED_BYTES = 10240;

/** Scratch of a matmul chunk: the sums of a row group (or, of one row, of gate groups), those of up, unpacked weights. */
function matmulScratch(program: SegmentProgram, batch: number): number {
  const groups = Math.max(
    0,
    ...program.ops.map((op) =>
      (op.kind === 'matmul' || op.kind === 'expertMatmul') && op.up ? Math.ceil(op.weight.rows / 8) : 0,
    ),
  );
  return Math.max(2 * batch, groups) * 32 + UNPACKED_BYTES;
}

/** Scratch of an embedding that is added: its row, then what the kernel unpacks. */
function embedScratch(program: SegmentProgram): number {
  const widths = program.ops.map((op) => (op.kind === 'embed' && op.by !== 'token' ? op.weight.columns : 0));
  return Math.max(0, ...widths) * 4 + UNPACKED_BYTES;
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

/** @throws ModelError when the segment does not fit into 4 GiB */
export function layoutSegment(
  spec: ModelSpec,
  program: SegmentProgram,
  options: LayoutOptions,
): SegmentLayout {
  const { threads, batch, outputs, pages } = options;
  let top = options.kernel ? LINEAR_STATICS_END : CONTROL + 1024;
  const take = (bytes: number, to = 64) => {
    const address = align(top, to);
    top = address + bytes;
    return address;
  };
  const ops = program.ops.length;
  const records = take(ops * RECORD_BYTES);
  const tickets = take(ops * 16);
  const inputs = {
    tokenIds: take(batch * 4),
    positions: take(batch * 4),
    pageTables: take(batch * 4),
    outputRows: take(outputs * 4),
    ropes: spec.ropes.map((rope) => take(batch * rope.rotary * 4)),
    pageNumbers: take(MOST_RUNS * pages * 4),
  };
  const most = (f: (experts: ExpertSpec) => number) =>
    Math.max(0, ...program.ops.map((op) => ('experts' in op && op.experts ? f(op.experts) : 0)));
  const experts = most(({ count }) => count);
  const pairs = batch * most(({ used }) => used);
  const routing =
    pairs === 0
      ? { chosen: 0, shares: 0, places: 0, active: 0 }
      : {
          chosen: take(pairs * 4),
          shares: take(pairs * 4),
          places: take(pairs * 4),
          active: take(4 + experts * 12),
        };
  const profile = options.profile ? take(threads * ops * 16) : 0;

  const stage = take(0, 4096);
  const buffers: SegmentLayout['buffers'] = new Map();
  for (const [name, width] of bufferWidths(spec, program)) {
    // A row more than a power of two apart from the next: rows do not fight for the same cache lines.
    const stride = padded(width) * 4 + (width > 0 ? 64 : 0);
    const rows = name === 'output' || name === 'logits' ? outputs : name.startsWith('expert') ? pairs : batch;
    buffers.set(name, { address: take(stride * rows), stride });
  }

  // The widest row of each form that any op wants.
  const strides = new Map<ActivationForm, number>();
  const pairStrides = new Map<ActivationForm, number>();
  const widen = (to: Map<ActivationForm, number>, form: ActivationForm, width: number) =>
    to.set(form, Math.max(to.get(form) ?? 0, activationBytes(form, width)));
  let widest = 0;
  for (const op of program.ops) {
    if (op.kind === 'activate') {
      widest = Math.max(widest, op.width);
      for (const form of op.forms) widen(op.experts ? pairStrides : strides, form, op.width);
    } else if (op.kind === 'dispatch') widen(pairStrides, op.form, op.width);
    else if (op.kind === 'addNorm') widest = Math.max(widest, spec.width);
  }
  let privateTop = 0;
  const slots: SegmentLayout['slots'] = new Map();
  for (const [form, bytes] of strides) {
    const stride = align(bytes, 64) + 64;
    slots.set(form, { shared: take(stride * batch), private: privateTop, stride });
    privateTop += stride;
  }
  const pairSlots: SegmentLayout['pairSlots'] = new Map();
  for (const [form, bytes] of pairStrides) {
    const stride = align(bytes, 64) + 64;
    pairSlots.set(form, { shared: take(stride * pairs), private: 0, stride });
  }
  const scratchBytes = Math.max(
    padded(widest) * 4,
    padded(experts) * 12,
    attendScratch(spec, program),
    matmulScratch(program, batch),
    embedScratch(program),
    options.kernel ? LINEAR_SCRATCH : 0,
  );
  const privateBytes = align(privateTop + scratchBytes, 4096) + 192;
  const privateAddress = take(privateBytes * threads, 4096);

  const matrices = program.ops.flatMap(weightsOf);
  const largestRows = Math.max(0, ...matrices.map((weight) => stageNeed(weight)));
  const stageBytes = align(Math.max(STAGE_BYTES, largestRows), 4096);
  top = Math.max(top, stage + stageBytes * threads);

  const weights = new Map<string, number>();
  const weightsStart = top;
  for (const weight of matrices.filter((w) => !w.format).concat(matrices.filter((w) => w.format))) {
    if (!weights.has(weight.key)) weights.set(weight.key, take(weightBytes(weight)));
  }
  const totalWeights = top - weightsStart;

  const observed = new Map<number, number>();
  const observedStart = top;
  program.ops.forEach((op, index) => {
    if (op.kind !== 'activate' || op.experts || !options.observe) return;
    observed.set(index, take(op.width * 4 * (op.onOutputs ? outputs : batch)));
  });
  const observedBytes = top - observedStart;

  const layers = new Map<number, { keys: number; values: number }>();
  let inPage = 0;
  for (const layer of spec.layers.slice(program.first, program.last)) {
    const keys = inPage;
    const values = keys + layer.kvHeads * tileBytes(options.kvType, spec.headWidth);
    inPage = values + layer.kvHeads * valueTileBytes(spec, options.kvType);
    layers.set(layer.index, { keys, values });
  }
  const kv = { address: take(inPage * pages, 4096), pageBytes: inPage, layers };
  const bytes = align(top, 65536);
  if (totalWeights > MEMORY_LIMIT && program.last === program.first + 1) {
    throw new ModelError(
      `the weights of layer ${program.first} alone are ${(totalWeights / 2 ** 30).toFixed(1)} GiB; ` +
        'a WebAssembly memory holds 4 GiB: use a smaller quantization',
      { code: 'ERR_LAYER_TOO_LARGE' },
    );
  }
  if (bytes > MEMORY_LIMIT) {
    throw new ModelError(
      `a context of ${pages * PAGE} tokens needs ${(bytes / 2 ** 30).toFixed(1)} GiB in layer ${program.first}; ` +
        'a WebAssembly memory holds 4 GiB: use a smaller --ctx-size or --kv-type q8_0, or --fallback to try these in turn',
      { code: 'ERR_SEGMENT_TOO_LARGE' },
    );
  }
  return {
    program,
    records,
    tickets,
    inputs,
    buffers,
    slots,
    pairSlots,
    routing,
    private: { address: privateAddress, bytes: privateBytes, scratch: privateTop },
    observed,
    observedBytes,
    profile,
    stage,
    stageBytes,
    weights,
    weightBytes: totalWeights,
    kv,
    bytes,
  };
}

/** The slot and the row stride that a matmul reads its activations from. */
export function activationSlot(layout: SegmentLayout, weight: Weight, exact: boolean): ActivationSlot {
  return layout.slots.get(formOf(weight, exact))!;
}
