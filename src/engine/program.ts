/**
 * A ModelSpec to programs: for each segment the list of ops of its layers, as values; layout.ts gives them
 * addresses and records.ts writes them as records.
 */
import type { ActivationForm } from '../kernels/formats.ts';
import type { ExpertSpec, LayerSpec, ModelSpec } from './architectures/types.ts';
import { expertOps } from './experts.ts';
import { formOf, Weights, type Weight } from './weights.ts';

/** Work buffers of f32 rows, one row per token: see bufferWidths in layout.ts. */
export type Buffer =
  | 'hidden'
  | 'query'
  | 'key'
  | 'value'
  | 'attention'
  | 'gate'
  | 'up'
  | 'branch'
  | 'router'
  | 'output'
  | 'logits'
  | PairBuffer;

/** One row per pair of a token and one of its experts. */
export type PairBuffer = 'expertGate' | 'expertUp' | 'expertOutput';

export type Op =
  | { kind: 'receive' }
  | { kind: 'embed'; weight: Weight; to: Buffer; scale: number }
  | {
      kind: 'activate';
      from: Buffer;
      width: number;
      norm?: Weight;
      forms: ActivationForm[];
      onOutputs?: boolean;
      /** Rows are pairs of a token and one of its experts. */
      experts?: ExpertSpec;
    }
  | {
      kind: 'matmul';
      weight: Weight;
      to: Buffer;
      bias?: Weight;
      /** Add to what is in `to`. */
      add?: boolean;
      /** Gated: to = act(x weight) * (x up). */
      up?: Weight;
      onOutputs?: boolean;
      barrier: boolean;
    }
  | { kind: 'gate'; to: Buffer; from: Buffer; width: number; experts?: ExpertSpec }
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
  /** hidden += weighted sum of a token's rows of `expertOutput`. */
  | { kind: 'combine'; experts: ExpertSpec }
  | { kind: 'rotate'; layer: LayerSpec; qNorm?: Weight; kNorm?: Weight }
  | { kind: 'attend'; layer: LayerSpec }
  | { kind: 'addNorm'; from: Buffer; to: Buffer; norm: Weight }
  | { kind: 'gather'; from: Buffer; to: Buffer };

export interface SegmentProgram {
  /** Layers first .. last - 1. */
  first: number;
  last: number;
  ops: Op[];
}

/**
 * Programs for segments that end before the layers in `cuts` (and at the last): an empty list is one segment.
 * With `exact`, matmuls take f32 activations.
 *
 * @throws ModelError for a missing tensor, a wrong shape or a type without kernels
 */
export function compileProgram(spec: ModelSpec, cuts: readonly number[], exact: boolean): SegmentProgram[] {
  const weights = new Weights(spec);
  const starts = [0, ...cuts];
  return starts.map((first, i) => {
    const last = starts[i + 1] ?? spec.layers.length;
    const ops: Op[] = i === 0 ? [embedOp(spec, weights)] : [{ kind: 'receive' }];
    for (const layer of spec.layers.slice(first, last)) ops.push(...layerOps(spec, weights, layer, exact));
    if (last === spec.layers.length) ops.push(...outputOps(spec, weights, exact));
    return { first, last, ops };
  });
}

function embedOp(spec: ModelSpec, weights: Weights): Op {
  const weight = weights.matrix('token_embd.weight', spec.vocabulary, spec.width);
  return { kind: 'embed', weight, to: 'hidden', scale: spec.embeddingScale };
}

/** Prepares `from` for the matmuls with the weights in `users`. */
export function activate(
  from: Buffer,
  width: number,
  norm: Weight | undefined,
  users: Weight[],
  exact: boolean,
): Op & { kind: 'activate' } {
  return {
    kind: 'activate',
    from,
    width,
    norm,
    forms: [...new Set(users.map((weight) => formOf(weight, exact)))],
  };
}

function layerOps(spec: ModelSpec, weights: Weights, layer: LayerSpec, exact: boolean): Op[] {
  const name = (part: string) => `blk.${layer.index}.${part}`;
  const { width, headWidth, valueWidth } = spec;
  const q = weights.matrix(name('attn_q.weight'), layer.heads * headWidth, width);
  const k = weights.matrix(name('attn_k.weight'), layer.kvHeads * headWidth, width);
  const v = weights.matrix(name('attn_v.weight'), layer.kvHeads * valueWidth, width);
  const o = weights.matrix(name('attn_output.weight'), width, layer.heads * valueWidth);
  const bias = (part: string, length: number) => weights.optionalVector(name(part), length);
  return [
    activate('hidden', width, weights.vector(name('attn_norm.weight'), width), [q, k, v], exact),
    { kind: 'matmul', weight: q, to: 'query', bias: bias('attn_q.bias', q.rows), barrier: false },
    { kind: 'matmul', weight: k, to: 'key', bias: bias('attn_k.bias', k.rows), barrier: false },
    { kind: 'matmul', weight: v, to: 'value', bias: bias('attn_v.bias', v.rows), barrier: true },
    {
      kind: 'rotate',
      layer,
      qNorm: bias('attn_q_norm.weight', headWidth),
      kNorm: bias('attn_k_norm.weight', headWidth),
    },
    { kind: 'attend', layer },
    activate('attention', o.columns, undefined, [o], exact),
    ...branchEnd(o, bias('attn_output.bias', width), bias('post_attention_norm.weight', width)),
    ...feedForwardOps(spec, weights, layer, exact),
  ];
}

/** The last matmul of a branch: into the hidden state, or through a norm of its own first. */
function branchEnd(weight: Weight, bias: Weight | undefined, postNorm: Weight | undefined): Op[] {
  if (!postNorm) return [{ kind: 'matmul', weight, to: 'hidden', add: true, bias, barrier: true }];
  return [
    { kind: 'matmul', weight, to: 'branch', bias, barrier: true },
    { kind: 'addNorm', from: 'branch', to: 'hidden', norm: postNorm },
  ];
}

function feedForwardOps(spec: ModelSpec, weights: Weights, layer: LayerSpec, exact: boolean): Op[] {
  const name = (part: string) => `blk.${layer.index}.${part}`;
  const { width } = spec;
  const norm = weights.vector(name('ffn_norm.weight'), width);
  if (layer.experts) return expertOps(spec, weights, layer, layer.experts, norm, exact);
  const gate = weights.matrix(name('ffn_gate.weight'), layer.feedForward, width);
  const up = weights.matrix(name('ffn_up.weight'), layer.feedForward, width);
  const down = weights.matrix(name('ffn_down.weight'), width, layer.feedForward);
  return [
    activate('hidden', width, norm, [gate, up], exact),
    ...gatedOps(gate, up),
    activate('gate', layer.feedForward, undefined, [down], exact),
    ...branchEnd(down, undefined, weights.optionalVector(name('post_ffw_norm.weight'), width)),
  ];
}

/** gate = act(x gate) * (x up) */
export function gatedOps(gate: Weight, up: Weight): Op[] {
  if (gate.format === up.format) return [{ kind: 'matmul', weight: gate, up, to: 'gate', barrier: true }];
  return [
    { kind: 'matmul', weight: gate, to: 'gate', barrier: false },
    { kind: 'matmul', weight: up, to: 'up', barrier: true },
    { kind: 'gate', to: 'gate', from: 'up', width: gate.rows },
  ];
}

function outputOps(spec: ModelSpec, weights: Weights, exact: boolean): Op[] {
  const name = weights.has('output.weight') ? 'output.weight' : 'token_embd.weight';
  const weight = weights.matrix(name, spec.vocabulary, spec.width);
  const norm = weights.vector('output_norm.weight', spec.width);
  return [
    { kind: 'gather', from: 'hidden', to: 'output' },
    {
      kind: 'activate',
      from: 'output',
      width: spec.width,
      norm,
      forms: [formOf(weight, exact)],
      onOutputs: true,
    },
    { kind: 'matmul', weight, to: 'logits', onOutputs: true, barrier: true },
  ];
}
