/**
 * Where the columns of matrices can be scaled at no cost: what makes their input takes the inverse scale.
 *
 *     attn_norm ─▶ attn_q, attn_k, attn_v        W' = W diag(s),  norm' = norm / s
 *     attn_v    ─▶ attn_output                   rows of attn_v (and its bias) / s: attention only mixes positions
 *     ffn_norm  ─▶ ffn_gate, ffn_up
 *     ffn_up    ─▶ ffn_down                      where act(gate) * up is linear in up, or the activation is ReLU
 *
 * The model computes the same as before. With grouped queries several columns of attn_output have one row of attn_v:
 * they share a scale. Experts are left alone: tokens choose among them, and the router reads the same norm.
 */
import { UsageError } from '../../../src/errors.ts';
import { ARCHITECTURES } from '../../../src/engine/architectures/index.ts';
import type { Architecture } from '../../../src/engine/architectures/types.ts';
import { findNumber } from '../../../src/gguf/metadata.ts';
import type { GgufFile, GgufTensor } from '../../../src/gguf/types.ts';
import type { Input } from '../../calibration/calibration.ts';
import { partOf } from '../../layers.ts';
import type { PlannedTensor } from '../plan.ts';
import type { TensorTreatment } from '../pool.ts';
import type { Method } from './types.ts';

/** What takes the inverse scales. */
export interface Fold {
  /** `blk.N.attn_norm` ...: weight and, where there is one, bias. */
  into: string;
  /** Values of `into`: the rows of a matrix or the width of a norm. */
  size: number;
  /** For each column the value of `into` that it comes from: its scale's index. */
  sourceOf: Int32Array;
}

/** Parts that may read a norm's output for it to be scaled. */
const READERS: Readonly<Record<string, readonly string[]>> = {
  attn_norm: ['attn_q', 'attn_k', 'attn_v', 'attn_qkv', 'attn_q_a', 'attn_kv_a_mqa'],
  ffn_norm: ['ffn_gate', 'ffn_up'],
};

/** Architectures whose norms come before the blocks. */
const FOLDABLE = ARCHITECTURES.filter(({ encoder }) => !encoder);

/** @throws UsageError for an architecture whose norms cannot take scales, naming those that can */
export function checkFoldable(architecture: Architecture, method: string): void {
  if (FOLDABLE.includes(architecture)) return;
  throw new UsageError(
    `--method ${method} does not know ${architecture.name}; it knows ${FOLDABLE.map(({ name }) => name).join(', ')}`,
  );
}

/** Where the scales of an input's columns go; undefined: nowhere. */
export function foldOf(file: GgufFile, architecture: Architecture, input: Input): Fold | undefined {
  const tensors = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
  const parts = input.tensors.map((name) => partOf(name) ?? '');
  const prefix = `blk.${input.layer}.`;
  for (const [norm, readers] of Object.entries(READERS)) {
    if (parts.length === 0 || !parts.every((part) => readers.includes(part))) continue;
    const weight = tensors.get(`${prefix}${norm}.weight`);
    if (weight?.shape[0] !== input.width || weight.shape.length !== 1) return undefined;
    return { into: prefix + norm, size: input.width, sourceOf: range(input.width) };
  }
  if (parts[0] === 'attn_output') return valuesFold(file, tensors, input, prefix);
  if (parts[0] === 'ffn_down') return innerFold(architecture, tensors, input, prefix);
  return undefined;
}

const range = (n: number, first = 0): Int32Array => Int32Array.from({ length: n }, (_, i) => first + i);
const rowsOf = (tensor: GgufTensor): number => tensor.shape.slice(1).reduce((a, b) => a * b, 1);

/** Columns of attn_output to rows of attn_v, or to the last rows of attn_qkv. */
function valuesFold(
  { metadata }: GgufFile,
  tensors: ReadonlyMap<string, GgufTensor>,
  { width }: Input,
  prefix: string,
): Fold | undefined {
  const values = tensors.get(`${prefix}attn_v.weight`);
  const fused = tensors.get(`${prefix}attn_qkv.weight`);
  const into = values ?? fused;
  if (!into) return undefined;
  const all = rowsOf(into);
  const architecture = String(metadata.get('general.architecture'));
  const head = headWidth(metadata, architecture, prefix);
  const rows = values ? all : (all - width) / 2;
  const [heads, kvHeads] = [width / head, rows / head];
  if (![heads, kvHeads, heads / kvHeads].every((n) => Number.isInteger(n) && n > 0)) return undefined;
  const first = all - rows;
  const sourceOf = range(width).map((column) => {
    const kvHead = Math.floor(Math.floor(column / head) / (heads / kvHeads));
    return first + kvHead * head + (column % head);
  });
  return { into: into.name.replace(/\.weight$/, ''), size: all, sourceOf };
}

/** Values of a head: stated, or the embedding shared out among the heads. */
function headWidth(metadata: GgufFile['metadata'], architecture: string, prefix: string): number {
  const number = (key: string): number | undefined => findNumber(metadata, `${architecture}.${key}`);
  const stated = number('attention.value_length') ?? number('attention.key_length');
  if (stated !== undefined) return stated;
  const heads = metadata.get(`${architecture}.attention.head_count`);
  const layer = Number(prefix.split('.')[1]);
  const count = typeof heads === 'object' && 'length' in heads ? Number(heads[layer]) : Number(heads);
  return (number('embedding_length') ?? 0) / count;
}

/** Columns of ffn_down to rows of ffn_up, or to the second half of the rows of a fused one. */
function innerFold(
  { activation }: Architecture,
  tensors: ReadonlyMap<string, GgufTensor>,
  { width }: Input,
  prefix: string,
): Fold | undefined {
  const up = tensors.get(`${prefix}ffn_up.weight`);
  if (!up) return undefined;
  const rows = rowsOf(up);
  const gated = tensors.has(`${prefix}ffn_gate.weight`) || rows === 2 * width;
  if ((!gated && activation !== 'relu') || (rows !== width && rows !== 2 * width)) return undefined;
  return { into: `${prefix}ffn_up`, size: rows, sourceOf: range(width, rows - width) };
}

/** The mean, over the columns that share a source, of a number per column; by column. */
export function sharedMeans(fold: Fold, perColumn: Float64Array): Float64Array {
  const sums = new Float64Array(fold.size);
  const counts = new Float64Array(fold.size);
  fold.sourceOf.forEach((source, column) => {
    sums[source]! += perColumn[column]!;
    counts[source]!++;
  });
  return perColumn.map((_, column) => sums[fold.sourceOf[column]!]! / counts[fold.sourceOf[column]!]!);
}

/** The factors on the values of `into` that undo scales of the columns. */
function inverseScales({ size, sourceOf }: Fold, scales: Float32Array): Float32Array {
  const factors = new Float32Array(size).fill(1);
  sourceOf.forEach((source, column) => (factors[source] = 1 / scales[column]!));
  return factors;
}

/** The largest, over the columns that share a source, of a number per column; by column. */
export function sharedMaxima(fold: Fold, perColumn: Float64Array): Float64Array {
  const most = new Float64Array(fold.size);
  fold.sourceOf.forEach((source, column) => (most[source] = Math.max(most[source]!, perColumn[column]!)));
  return perColumn.map((_, column) => most[fold.sourceOf[column]!]!);
}

/** Scales of columns that have been chosen, and what they do to each tensor. */
export class Scaling implements Method {
  private readonly columns = new Map<string, Float32Array>();
  /** By the name without `.weight` or `.bias`. */
  private readonly inverses = new Map<string, Float32Array>();

  /** @param scales positive, one per column; columns with the same source must have the same */
  add({ tensors }: Input, fold: Fold, scales: Float32Array): void {
    for (const name of tensors) this.columns.set(name, scales);
    this.inverses.set(fold.into, inverseScales(fold, scales));
  }

  treat({ tensor: { name, shape } }: PlannedTensor): Promise<TensorTreatment> {
    const inverse = this.inverses.get(name.replace(/\.(weight|bias)$/, ''));
    // Norms and biases are one row of the values that matrices have as rows.
    const vector = shape.length === 1;
    return Promise.resolve(
      vector ? { columns: inverse } : { columns: this.columns.get(name), rows: inverse },
    );
  }
}
