/** The ops of attention, of floats or of whole numbers; latent.ts has DeepSeek's. */
import { ModelError } from '../errors.ts';
import type { LayerSpec, ModelSpec } from './architectures/types.ts';
import { activate, normBefore, type Op } from './program.ts';
import type { Linear, Weights } from './weights.ts';

/** Attention of whole numbers: factors on the dot products of queries and keys, and of probabilities (0..127) and values. */
export interface Int8Attention {
  scores: number;
  values: number;
}

/** Attention up to the output projection, whose input is left in `attention`. */
export function attentionOps(spec: ModelSpec, weights: Weights, layer: LayerSpec, exact: boolean): Op[] {
  const name = (part: string) => `blk.${layer.index}.${part}`;
  const { width, headWidth, valueWidth } = spec;
  const [q, k, v] = weights.linears(
    name('attn_qkv'),
    [name('attn_q'), name('attn_k'), name('attn_v')],
    [layer.heads * headWidth, layer.kvHeads * headWidth, layer.kvHeads * valueWidth],
    width,
  ) as [Linear, Linear, Linear];
  const headNorm = (part: string) => weights.optionalVector(name(part), headWidth);
  const before = normBefore(spec, weights, layer);
  const int8 = int8Attention(spec, weights, layer, [q, k, v]);
  const act = int8 && ('int8' as const);
  return [
    activate('hidden', width, before('attn_norm'), [q.weight, k.weight, v.weight], exact),
    { kind: 'matmul', ...q, act, to: 'query', barrier: false },
    { kind: 'matmul', ...k, act, to: 'key', barrier: false },
    { kind: 'matmul', ...v, act, to: 'value', barrier: true },
    {
      kind: 'rotate',
      layer,
      qNorm: headNorm('attn_q_norm.weight'),
      kNorm: headNorm('attn_k_norm.weight'),
      int8,
    },
    { kind: 'attend', layer, int8 },
  ];
}

/**
 * Where the file has scales for the matmuls within attention, queries, keys and values are in steps of int8 (mit-han-lab's
 * SmoothQuant exports of OPT).
 */
function int8Attention(
  spec: ModelSpec,
  weights: Weights,
  layer: LayerSpec,
  inputs: Linear[],
): Int8Attention | undefined {
  const [scores, values] = ['attn_qk', 'attn_pv'].map((part) => `blk.${layer.index}.${part}.scale`);
  if (!weights.has(scores!) && !weights.has(values!)) return undefined;
  if (spec.architecture.rope !== 'none' || spec.architecture.encoder || inputs.some(({ scale }) => !scale)) {
    throw new ModelError(
      `tensor ${scores}: int8 attention is for decoders with learned positions and I8 weights of queries, keys and values`,
    );
  }
  return { scores: weights.number(scores!), values: weights.number(values!) };
}
