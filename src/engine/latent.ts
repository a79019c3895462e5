/**
 * Multi-head latent attention (arXiv:2405.04434): from metadata to sizes, and the attention ops of such a layer. The cache
 * holds the latent vector and one rotated key per position; assembly/ops/latent.ts says how attention runs on these.
 */
import { ModelError } from '../errors.ts';
import { findCount, findNumber, getCount, type Metadata } from '../gguf/metadata.ts';
import type { LatentSpec, LayerSpec, ModelSpec, Rope } from './architectures/types.ts';
import { activate, type Op } from './program.ts';
import type { Weight, Weights } from './weights.ts';

/**
 * Sizes of latent attention, where the file has it. Files with absorbed projections give the width of the cached key as
 * key_length and that of a head's own key as key_length_mla; older files give only the latter, as key_length.
 *
 * @throws ModelError for sizes that kernels cannot take
 */
export function readLatent(metadata: Metadata, architecture: string): LatentSpec | undefined {
  const key = (name: string) => `${architecture}.${name}`;
  const optional = (name: string) => findCount(metadata, key(name)) ?? 0;
  const rank = optional('attention.kv_lora_rank');
  if (rank === 0) return undefined;
  const rotary = getCount(metadata, key('rope.dimension_count'));
  const headWidth = optional('attention.key_length_mla') || getCount(metadata, key('attention.key_length'));
  const value = optional('attention.value_length_mla') || getCount(metadata, key('attention.value_length'));
  const latent = {
    rank,
    queryRank: optional('attention.q_lora_rank'),
    plain: headWidth - rotary,
    rotary,
    value,
  };
  for (const [name, size] of Object.entries(latent)) {
    // Matrices of neighbouring heads lie in whole groups of 8 rows.
    const multiple = name === 'rotary' || name === 'queryRank' ? 4 : 8;
    if (!(size > 0 || name === 'queryRank') || size % multiple !== 0 || size > 2 ** 20) {
      throw new ModelError(
        `${architecture}: latent attention with ${name} ${size} is not supported (a multiple of ${multiple})`,
      );
    }
  }
  return latent;
}

/**
 * The factor on attention scores, and the rotation with its magnitude: with YaRN, DeepSeek scales the scores of all
 * channels instead of the rotated ones (the file's yarn_log_multiplier is 0.1 x the model's mscale_all_dim).
 */
export function latentScale(
  metadata: Metadata,
  architecture: string,
  { plain, rotary }: LatentSpec,
  rope: Rope,
): { softmaxScale: number; rope: Rope } {
  const key = (name: string) => `${architecture}.rope.scaling.${name}`;
  const plainScale = 1 / Math.sqrt(plain + rotary);
  const multiplier = findNumber(metadata, key('yarn_log_multiplier')) ?? 0;
  const factor = findNumber(metadata, key('factor')) ?? 1;
  if (multiplier === 0 || factor <= 1) return { softmaxScale: plainScale, rope };
  const scoreFactor = (1 + multiplier * Math.log(factor)) ** 2;
  const magnitude = findNumber(metadata, key('attn_factor')) ?? 1;
  return { softmaxScale: plainScale * scoreFactor, rope: { ...rope, magnitude } };
}

/** The attention ops of a layer up to the output projection, whose input they leave in `attention`. */
export function latentOps(
  spec: ModelSpec,
  weights: Weights,
  layer: LayerSpec,
  latent: LatentSpec,
  exact: boolean,
): Op[] {
  const name = (part: string) => `blk.${layer.index}.${part}`;
  const { width } = spec;
  const { rank, queryRank, plain, rotary, value } = latent;
  const { heads } = layer;
  const queryWidth = heads * (plain + rotary);
  const norm = weights.norm(name('attn_norm'), width);
  const kv = weights.matrix(name('attn_kv_a_mqa.weight'), rank + rotary, width);
  const kNorm = weights.vector(name('attn_kv_a_norm.weight'), rank);
  const { keys, values } = headProjections(weights, name, heads, latent);
  if (!exact && keys.format!.form !== 'f32' && (plain + rotary) % 32 !== 0) {
    throw new ModelError(
      `tensor ${keys.tensor.name}: a quantized projection needs heads of a multiple of 32 values, not ${plain + rotary}`,
    );
  }
  const queries: Op[] = [];
  if (queryRank > 0) {
    const a = weights.matrix(name('attn_q_a.weight'), queryRank, width);
    const b = weights.matrix(name('attn_q_b.weight'), queryWidth, queryRank);
    queries.push(
      activate('hidden', width, norm, [a, kv], exact),
      { kind: 'matmul', weight: a, to: 'lowQuery', barrier: false },
      { kind: 'matmul', weight: kv, to: 'key', barrier: true },
      activate('lowQuery', queryRank, weights.norm(name('attn_q_a_norm'), queryRank), [b], exact),
      { kind: 'matmul', weight: b, to: 'query', barrier: true },
    );
  } else {
    const q = weights.matrix(name('attn_q.weight'), queryWidth, width);
    queries.push(
      activate('hidden', width, norm, [q, kv], exact),
      { kind: 'matmul', weight: q, to: 'query', barrier: false },
      { kind: 'matmul', weight: kv, to: 'key', barrier: true },
    );
  }
  return [
    ...queries,
    activate('query', queryWidth, undefined, [keys], exact),
    {
      kind: 'headMatmul',
      weight: keys,
      heads,
      from: plain + rotary,
      to: 'latentQuery',
      step: rank + rotary,
      barrier: false,
    },
    { kind: 'latent', layer, latent, kNorm },
    { kind: 'attend', layer },
    activate('latentOutput', heads * rank, undefined, [values], exact),
    { kind: 'headMatmul', weight: values, heads, from: rank, to: 'attention', step: value, barrier: true },
  ];
}

/** The projections between latent vector and heads: each in a tensor of its own, or keys and values of a head together. */
function headProjections(
  weights: Weights,
  name: (part: string) => string,
  heads: number,
  { rank, plain, value }: LatentSpec,
): { keys: Weight; values: Weight } {
  if (weights.has(name('attn_k_b.weight'))) {
    return {
      keys: weights.parts(name('attn_k_b.weight'), heads, rank, plain),
      values: weights.parts(name('attn_v_b.weight'), heads, value, rank),
    };
  }
  const both = weights.matrix(name('attn_kv_b.weight'), heads * (plain + value), rank);
  return {
    keys: weights.cutTransposed(both, heads, { first: 0, rows: plain, step: plain + value }),
    values: weights.cut(both, heads, { first: plain, rows: value, step: plain + value }),
  };
}
