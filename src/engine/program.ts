/**
 * A ModelSpec to programs: for each segment the list of ops of its layers, as values; layout/ gives them
 * addresses and records/ writes them as records.
 */
import { ModelError } from '../errors.ts';
import type { ActivationForm } from '../kernels/formats.ts';
import type { Activation, ExpertSpec, LatentSpec, LayerSpec, ModelSpec } from './architectures/types.ts';
import { attentionOps, type Int8Attention } from './attention.ts';
import { expertOps } from './experts.ts';
import { latentOps } from './latent.ts';
import { outputOps } from './output.ts';
import { formOf, Weights, type Linear, type Norm, type SumScale, type Weight } from './weights.ts';

/** Work buffers of f32 rows, one row per token: see bufferWidths in layout/buffers.ts. */
export type Buffer =
  | 'hidden'
  | 'query'
  | 'key'
  | 'value'
  | 'attention'
  | 'gate'
  | 'up'
  | 'branch'
  | 'normed'
  | 'router'
  | 'share'
  | 'lowQuery'
  | 'latentQuery'
  | 'latentOutput'
  | 'linear'
  | 'output'
  | 'logits'
  | 'peaks'
  | PairBuffer;

/** One row per pair of a token and one of its experts. */
export type PairBuffer = 'expertGate' | 'expertUp' | 'expertOutput';

export type Op =
  | { kind: 'receive' }
  | { kind: 'embed'; weight: Weight; by: 'token' | 'position' | 'zero'; to: Buffer; scale: number }
  | {
      kind: 'activate';
      from: Buffer;
      width: number;
      norm?: Norm;
      forms: ActivationForm[];
      /** One step of the form `static`. */
      inputScale?: number;
      /** The matrices that the rows are multiplied with. */
      users: Weight[];
      onOutputs?: boolean;
      /** Rows are pairs of a token and one of its experts. */
      experts?: ExpertSpec;
    }
  | {
      kind: 'matmul';
      weight: Weight;
      to: Buffer;
      bias?: Weight;
      /** Of the sums, before anything is added. */
      scale?: SumScale;
      /** Add to what is in `to`. */
      add?: boolean;
      /** Gated: to = act(x weight) * (x up). */
      up?: Weight;
      /** to = act(x weight + bias); `int8` rounds and clips */
      act?: Activation | 'int8';
      /** to = softcap * tanh(x weight / softcap) */
      softcap?: number;
      /** Leaves the largest of each PEAK_SPAN neighbours of `to` in `peaks`: see OutputRow. */
      peaks?: boolean;
      onOutputs?: boolean;
      barrier: boolean;
    }
  | { kind: 'gate'; to: Buffer; from: Buffer; width: number; experts?: ExpertSpec }
  /** to *= sigmoid(share): the part that a shared expert has in the sum. */
  | { kind: 'share'; to: Buffer; width: number }
  /** Chooses experts by the scores in `router`. */
  | { kind: 'route'; experts: ExpertSpec; bias?: Weight }
  /** Brings the pairs into the order of experts, and the tokens' activations to their places. */
  | { kind: 'sort'; experts: ExpertSpec }
  | { kind: 'dispatch'; experts: ExpertSpec; form: ActivationForm; width: number }
  | {
      kind: 'expertMatmul';
      weight: Weight;
      up?: Weight;
      to: PairBuffer;
      experts: ExpertSpec;
      /** The activations are of pairs; else they are the tokens', dispatched. */
      fromPairs: boolean;
      barrier: boolean;
    }
  /** A matmul by a kernel from outside, into `linear`: see linear.ts. */
  | { kind: 'linear'; weight: Weight; workers: 'one' | 'all'; onOutputs?: boolean }
  /** to (+)= linear (+ bias), as a matmul ends. */
  | {
      kind: 'settle';
      rows: number;
      to: Buffer;
      bias?: Weight;
      add?: boolean;
      act?: Activation;
      softcap?: number;
      onOutputs?: boolean;
    }
  /** A matmul per head: `from` activations of the row and `step` values of `to` belong to each. */
  | {
      kind: 'headMatmul';
      weight: Weight;
      heads: number;
      from: number;
      to: Buffer;
      step: number;
      barrier: boolean;
    }
  /** Latent attention: rotates queries into `latentQuery`, norms, rotates and stores the latent key. */
  | { kind: 'latent'; layer: LayerSpec; latent: LatentSpec; kNorm: Weight }
  /** hidden += weighted sum of a token's rows of `expertOutput`. */
  | { kind: 'combine'; experts: ExpertSpec }
  /** `apart`: keys and values are left to a `store`. */
  | {
      kind: 'rotate';
      layer: LayerSpec;
      qNorm?: Weight;
      kNorm?: Weight;
      apart?: boolean;
      int8?: Int8Attention;
    }
  | { kind: 'store'; layer: LayerSpec; int8?: Int8Attention }
  | { kind: 'attend'; layer: LayerSpec; int8?: Int8Attention }
  | { kind: 'norm' | 'addNorm'; from: Buffer; to: Buffer; norm: Norm; onOutputs?: boolean }
  | { kind: 'add'; from: Buffer; to: Buffer }
  | { kind: 'gather'; from: Buffer; to: Buffer };

export interface SegmentProgram {
  /** Layers first .. last - 1. */
  first: number;
  last: number;
  ops: Op[];
  /** How many of them, from the first, a step needs that asks for no hidden states. */
  usual: number;
}

/**
 * Programs for segments that end before the layers in `cuts` (and at the last): an empty list is one segment.
 * With `exact`, matmuls take f32 activations.
 *
 * @throws ModelError for a missing tensor, a wrong shape or a type without kernels
 */
export function compileProgram(
  spec: ModelSpec,
  cuts: readonly number[],
  { exact, weightLayout }: { exact: boolean; weightLayout?: string },
): SegmentProgram[] {
  const weights = new Weights(spec, weightLayout);
  const starts = [0, ...cuts];
  return starts.map((first, i) => {
    const last = starts[i + 1] ?? spec.layers.length;
    const ops: Op[] = i === 0 ? embedOps(spec, weights) : [{ kind: 'receive' }];
    for (const layer of spec.layers.slice(first, last)) ops.push(...layerOps(spec, weights, layer, exact));
    const end = last === spec.layers.length ? outputOps(spec, weights, exact) : { usual: [], more: [] };
    ops.push(...end.usual);
    return { first, last, ops: [...ops, ...end.more], usual: ops.length };
  });
}

function embedOps(spec: ModelSpec, weights: Weights): Op[] {
  const { width, vocabulary, embeddingScale: scale } = spec;
  const ops: Op[] = [
    {
      kind: 'embed',
      weight: weights.matrix('token_embd.weight', vocabulary, width),
      by: 'token',
      to: 'hidden',
      scale,
    },
  ];
  if (spec.architecture.rope === 'none') {
    const name = 'position_embd.weight';
    const weight = weights.matrix(name, weights.rowsOf(name) ?? spec.trainedContext, width);
    ops.push({ kind: 'embed', weight, by: 'position', to: 'hidden', scale: 1 });
  }
  if (weights.has('token_types.weight')) {
    const rows = weights.rowsOf('token_types.weight') ?? 1;
    const weight = weights.matrix('token_types.weight', rows, width);
    ops.push({ kind: 'embed', weight, by: 'zero', to: 'hidden', scale: 1 });
  }
  if (weights.has('token_embd_norm.weight')) {
    ops.push({ kind: 'norm', from: 'hidden', to: 'hidden', norm: weights.norm('token_embd_norm', width) });
  }
  return ops;
}

/** Prepares `from` for the matmuls with the weights in `users`. */
export function activate(
  from: Buffer,
  width: number,
  norm: Norm | undefined,
  users: Weight[],
  exact: boolean,
): Op & { kind: 'activate' } {
  const [scale, ...others] = new Set(users.flatMap(({ inputScale = [] }) => inputScale));
  if (others.length > 0) {
    const names = users.map(({ tensor }) => tensor.name).join(', ');
    throw new ModelError(`${names} read the same input, but have different input scales`);
  }
  return {
    kind: 'activate',
    from,
    width,
    norm,
    forms: [...new Set(users.map((weight) => formOf(weight, exact)))],
    inputScale: scale,
    users,
  };
}

function layerOps(spec: ModelSpec, weights: Weights, layer: LayerSpec, exact: boolean): Op[] {
  const name = (part: string) => `blk.${layer.index}.${part}`;
  const { width, latent } = spec;
  const o = weights.linear(name('attn_output'), width, layer.heads * (latent?.value ?? spec.valueWidth));
  return [
    ...(latent ? latentOps(spec, weights, layer, latent, exact) : attentionOps(spec, weights, layer, exact)),
    activate('attention', o.weight.columns, undefined, [o.weight], exact),
    ...branchEnd(spec, weights, o, { inner: name('post_attention_norm'), outer: name('attn_output_norm') }),
    ...feedForwardOps(spec, weights, layer, exact),
  ];
}

/** The norm at the start of a branch; an encoder has it at the end. */
export function normBefore(
  spec: ModelSpec,
  weights: Weights,
  layer: LayerSpec,
): (part: string) => Norm | undefined {
  if (spec.architecture.encoder) return () => undefined;
  return (part) => weights.norm(`blk.${layer.index}.${part}`, spec.width);
}

/**
 * The last matmul of a branch: into the hidden state, or through a norm of its own (`inner`) first; in an encoder
 * the sum is normed (`outer`).
 */
function branchEnd(
  spec: ModelSpec,
  weights: Weights,
  last: Linear,
  { inner, outer }: { inner: string; outer: string },
): Op[] {
  const width = last.weight.rows;
  if (weights.has(`${inner}.weight`)) {
    return [
      { kind: 'matmul', ...last, to: 'branch', barrier: true },
      { kind: 'addNorm', from: 'branch', to: 'hidden', norm: weights.norm(inner, width) },
    ];
  }
  const sum: Op = { kind: 'matmul', ...last, to: 'hidden', add: true, barrier: true };
  if (!spec.architecture.encoder) return [sum];
  return [sum, { kind: 'norm', from: 'hidden', to: 'hidden', norm: weights.norm(outer, width) }];
}

function feedForwardOps(spec: ModelSpec, weights: Weights, layer: LayerSpec, exact: boolean): Op[] {
  const name = (part: string) => `blk.${layer.index}.${part}`;
  const { width } = spec;
  const norm = normBefore(spec, weights, layer)('ffn_norm');
  if (layer.experts) return expertOps(spec, weights, layer, layer.experts, norm, exact);
  const down = weights.linear(name('ffn_down'), width, layer.feedForward);
  const { users, ops } = innerOps(spec, weights, layer);
  return [
    activate('hidden', width, norm, users, exact),
    ...ops,
    activate('gate', layer.feedForward, undefined, [down.weight], exact),
    ...branchEnd(spec, weights, down, { inner: name('post_ffw_norm'), outer: name('layer_output_norm') }),
  ];
}

/** From the normed hidden state to the inner one: act(gate) * up, with both in one tensor or not, or act(up). */
function innerOps(spec: ModelSpec, weights: Weights, layer: LayerSpec): { users: Weight[]; ops: Op[] } {
  const [gateName, upName] = [`blk.${layer.index}.ffn_gate`, `blk.${layer.index}.ffn_up`];
  const rows = layer.feedForward;
  const { width } = spec;
  const separate = weights.has(`${gateName}.weight`);
  if (!separate && weights.rowsOf(`${upName}.weight`) === rows) {
    const up = weights.linear(upName, rows, width);
    const act = spec.architecture.activation;
    return { users: [up.weight], ops: [{ kind: 'matmul', ...up, act, to: 'gate', barrier: true }] };
  }
  const [gate, up] = separate
    ? [weights.linear(gateName, rows, width), weights.linear(upName, rows, width)]
    : [0, rows].map((first) => weights.linear(upName, rows, width, { first, of: 2 * rows }));
  return { users: [gate!.weight, up!.weight], ops: gatedOps(gate!, up!) };
}

/** gate = act(x gate) * (x up) */
export function gatedOps(gate: Linear, up: Linear): Op[] {
  if (gate.weight.format === up.weight.format && !gate.bias && !up.bias && !gate.scale) {
    return [{ kind: 'matmul', weight: gate.weight, up: up.weight, to: 'gate', barrier: true }];
  }
  return [
    { kind: 'matmul', ...gate, to: 'gate', barrier: false },
    { kind: 'matmul', ...up, to: 'up', barrier: true },
    { kind: 'gate', to: 'gate', from: 'up', width: gate.weight.rows },
  ];
}
