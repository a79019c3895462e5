/**
 * The forward pass of decoders with SwiGLU, experts or latent attention, from the papers and in f64: every key and value
 * of every head is written out, experts are chosen by sorting. Slow, and nothing in it is shared with the engine.
 */
import { readTensor } from '../../src/gguf/tensors.ts';
import type { GgufFile } from '../../src/gguf/types.ts';
import { FORMATS } from '../../src/kernels/formats.ts';
import { dequantizeTwin } from '../kernels/twins/formats.ts';
import { layerNorm, rmsNorm, silu } from '../kernels/twins/ops.ts';

/** Sizes of the random models that are held against the naive forward pass. */
export const SMALL_SHAPE = {
  layers: 2,
  embedding: 64,
  feedForward: 96,
  heads: 4,
  kvHeads: 2,
  vocabulary: 352,
  context: 256,
  ropeBase: 10_000,
  tied: false,
};

interface Tensor {
  shape: readonly number[];
  values: ArrayLike<number>;
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const dot = (a: readonly number[], b: readonly number[]) => sum(a.map((v, i) => v * b[i]!));
const add = (a: readonly number[], b: readonly number[]) => a.map((v, i) => v + b[i]!);
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

function softmax(x: readonly number[]): number[] {
  const most = Math.max(...x);
  const e = x.map((v) => Math.exp(v - most));
  return e.map((v) => v / sum(e));
}

class NaiveModel {
  private readonly tensors: ReadonlyMap<string, Tensor>;
  private readonly metadata: GgufFile['metadata'];
  private readonly architecture: string;

  constructor(tensors: ReadonlyMap<string, Tensor>, metadata: GgufFile['metadata']) {
    this.tensors = tensors;
    this.metadata = metadata;
    this.architecture = metadata.get('general.architecture') as string;
  }

  private number(key: string, otherwise = 0): number {
    return Number(this.metadata.get(`${this.architecture}.${key}`) ?? otherwise);
  }

  private tensor(name: string): Tensor {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new Error(`no ${name}`);
    return tensor;
  }

  private row(name: string, row: number): number[] {
    const { shape, values } = this.tensor(name);
    return range(shape[0]!).map((i) => values[row * shape[0]! + i]!);
  }

  /** W x, of the matrix `part` where the tensor has several. */
  private multiply(name: string, x: readonly number[], part = 0): number[] {
    const rows = this.tensor(name).shape[1]!;
    const bias = this.tensors.get(name.replace(/weight$/, 'bias'))?.values;
    return range(rows).map((r) => dot(this.row(name, part * rows + r), x) + (bias?.[r] ?? 0));
  }

  /** The norm before a block: with a mean where the metadata has LayerNorm's epsilon. */
  private blockNorm(name: string, x: readonly number[]): number[] {
    const epsilon = this.number('attention.layer_norm_epsilon');
    if (epsilon === 0) return this.norm(`${name}.weight`, x);
    return layerNorm(x, epsilon, this.tensor(`${name}.weight`).values, this.tensor(`${name}.bias`).values);
  }

  private norm(name: string, x: readonly number[]): number[] {
    return rmsNorm(x, this.number('attention.layer_norm_rms_epsilon'), this.tensor(name).values);
  }

  /** Frequencies as DeepSeek's YaRN has them; without scaling the usual ones. */
  private rotate(x: readonly number[], position: number): number[] {
    const n = x.length;
    const base = this.number('rope.freq_base');
    const factor = this.number('rope.scaling.factor', 1);
    const length = this.number('rope.scaling.original_context_length');
    const edge = (turns: number) => (n * Math.log(length / (turns * 2 * Math.PI))) / (2 * Math.log(base));
    const low = Math.max(0, Math.floor(edge(32)));
    const high = Math.min(n - 1, Math.ceil(edge(1)));
    const out = [...x];
    const neox = /^(qwen|stablelm)/.test(this.architecture);
    for (let i = 0; i < n / 2; i++) {
      const plain = base ** ((-2 * i) / n);
      const ramp = Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
      const angle = position * (factor > 1 ? (plain / factor) * ramp + plain * (1 - ramp) : plain);
      const [a, b] = neox ? [i, i + n / 2] : [2 * i, 2 * i + 1];
      out[a] = x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle);
      out[b] = x[a]! * Math.sin(angle) + x[b]! * Math.cos(angle);
    }
    return out;
  }

  /** Queries, keys and values of each head at a position. */
  private headsAt(layer: string, x: readonly number[], position: number) {
    const heads = range(this.number('attention.head_count'));
    const rank = this.number('attention.kv_lora_rank');
    return rank > 0
      ? this.latentHeads(layer, x, position, heads, rank)
      : this.groupedHeads(layer, x, position, heads);
  }

  private groupedHeads(layer: string, x: readonly number[], position: number, heads: number[]) {
    const width = x.length / heads.length;
    const shared = heads.length / this.number('attention.head_count_kv');
    const part = (values: readonly number[], h: number) => values.slice(h * width, (h + 1) * width);
    const q = this.multiply(`${layer}attn_q.weight`, x);
    const k = this.multiply(`${layer}attn_k.weight`, x);
    const v = this.multiply(`${layer}attn_v.weight`, x);
    const rotary = this.number('rope.dimension_count', width);
    const turned = (norm: string, head: readonly number[]) => {
      const name = `${layer}${norm}.weight`;
      const normed = this.tensors.has(name) ? this.norm(name, head) : head;
      return [...this.rotate(normed.slice(0, rotary), position), ...normed.slice(rotary)];
    };
    return heads.map((h) => {
      const kv = Math.floor(h / shared);
      return { q: turned('attn_q_norm', part(q, h)), k: turned('attn_k_norm', part(k, kv)), v: part(v, kv) };
    });
  }

  private latentHeads(layer: string, x: readonly number[], position: number, heads: number[], rank: number) {
    const rotary = this.number('rope.dimension_count');
    const width = this.number('attention.key_length_mla', this.number('attention.key_length'));
    const value = this.number('attention.value_length_mla', this.number('attention.value_length'));
    const plain = width - rotary;
    const low = this.number('attention.q_lora_rank') > 0;
    const queries = low
      ? this.multiply(
          `${layer}attn_q_b.weight`,
          this.norm(`${layer}attn_q_a_norm.weight`, this.multiply(`${layer}attn_q_a.weight`, x)),
        )
      : this.multiply(`${layer}attn_q.weight`, x);
    const kv = this.multiply(`${layer}attn_kv_a_mqa.weight`, x);
    const latent = this.norm(`${layer}attn_kv_a_norm.weight`, kv.slice(0, rank));
    const shared = this.rotate(kv.slice(rank), position);
    return heads.map((h) => {
      const query = queries.slice(h * width, (h + 1) * width);
      const { k, v } = this.projected(layer, h, latent, plain, value);
      return {
        q: [...query.slice(0, plain), ...this.rotate(query.slice(plain), position)],
        k: [...k, ...shared],
        v,
      };
    });
  }

  private projected(layer: string, h: number, latent: readonly number[], plain: number, value: number) {
    if (this.tensors.has(`${layer}attn_kv_b.weight`)) {
      const both = this.multiply(`${layer}attn_kv_b.weight`, latent).slice(h * (plain + value));
      return { k: both.slice(0, plain), v: both.slice(plain, plain + value) };
    }
    // Stored the other way round: a row per value of the latent vector.
    const rows = latent.map((c, r) =>
      this.row(`${layer}attn_k_b.weight`, h * latent.length + r).map((w) => w * c),
    );
    return { k: rows.reduce(add), v: this.multiply(`${layer}attn_v_b.weight`, latent, h) };
  }

  private attention(layer: string, rows: readonly number[][]): number[][] {
    const at = rows.map((x, t) => this.headsAt(layer, this.blockNorm(`${layer}attn_norm`, x), t));
    const multiplier = this.number('rope.scaling.yarn_log_multiplier');
    const stretch = 1 + multiplier * Math.log(this.number('rope.scaling.factor', 1));
    return rows.map((_, t) => {
      const out = at[t]!.flatMap(({ q }, h) => {
        const scale = stretch ** 2 / Math.sqrt(q.length);
        const p = softmax(range(t + 1).map((u) => scale * dot(q, at[u]![h]!.k)));
        return p.map((w, u) => at[u]![h]!.v.map((v) => w * v)).reduce(add);
      });
      return this.multiply(`${layer}attn_output.weight`, out);
    });
  }

  private gated(layer: string, suffix: string, x: readonly number[], part = 0): number[] {
    const gate = this.multiply(`${layer}ffn_gate${suffix}.weight`, x, part);
    const up = this.multiply(`${layer}ffn_up${suffix}.weight`, x, part);
    const inner = gate.map((g, i) => silu(g) * up[i]!);
    return this.multiply(`${layer}ffn_down${suffix}.weight`, inner, part);
  }

  /** Experts that a token may go to: those of the best groups, where there are groups. */
  private eligible(ranks: readonly number[], bias: boolean): number[] {
    const groups = this.number('expert_group_count', 1);
    const size = ranks.length / groups;
    const total = (g: number) => {
      const best = ranks.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
      return bias ? best[0]! + best[1]! : best[0]!;
    };
    const kept = range(groups)
      .sort((a, b) => total(b) - total(a))
      .slice(0, this.number('expert_group_used_count', 1));
    return range(ranks.length).filter((e) => kept.includes(Math.floor(e / size)));
  }

  private feedForward(layer: string, x: readonly number[]): number[] {
    if (!this.tensors.has(`${layer}ffn_gate_inp.weight`)) return this.gated(layer, '', x);
    const logits = this.multiply(`${layer}ffn_gate_inp.weight`, x);
    const sigmoid = this.number('expert_gating_func') === 2;
    const scores = sigmoid ? logits.map((v) => 1 / (1 + Math.exp(-v))) : softmax(logits);
    const bias = this.tensors.get(`${layer}exp_probs_b.bias`)?.values;
    const ranks = scores.map((s, e) => s + (bias?.[e] ?? 0));
    const chosen = this.eligible(ranks, bias !== undefined)
      .sort((a, b) => ranks[b]! - ranks[a]!)
      .slice(0, this.number('expert_used_count'));
    const normalized = this.architecture === 'qwen3moe' || this.number('expert_weights_norm') === 1;
    const total = normalized ? sum(chosen.map((e) => scores[e]!)) : 1;
    const scale = this.number('expert_weights_scale', 1) / total;
    const outputs = chosen.map((e) => this.gated(layer, '_exps', x, e).map((v) => v * scores[e]! * scale));
    if (this.number('expert_shared_count') > 0) {
      const gate = this.tensors.get(`${layer}ffn_gate_inp_shexp.weight`);
      const share = gate ? 1 / (1 + Math.exp(-dot(x, Array.from(gate.values)))) : 1;
      outputs.push(this.gated(layer, '_shexp', x).map((v) => v * share));
    }
    return outputs.reduce(add);
  }

  logits(ids: readonly number[]): Float32Array {
    let rows = ids.map((id) => this.row('token_embd.weight', id));
    for (let i = 0; i < this.number('block_count'); i++) {
      const layer = `blk.${i}.`;
      const attended = this.attention(layer, rows);
      rows = rows.map((x, t) => add(x, attended[t]!));
      rows = rows.map((x) => add(x, this.feedForward(layer, this.blockNorm(`${layer}ffn_norm`, x))));
    }
    return Float32Array.from(
      rows.flatMap((x) => this.multiply('output.weight', this.blockNorm('output_norm', x))),
    );
  }
}

/** Logits of every position, [ids.length, vocabulary]. */
export async function naiveLogits(file: GgufFile, ids: readonly number[]): Promise<Float32Array> {
  const tensors = new Map<string, Tensor>();
  for (const tensor of file.tensors) {
    const format = FORMATS.find(({ type }) => type === tensor.type)!;
    const bytes = Uint8Array.from(await readTensor(file, tensor));
    const count = tensor.shape.reduce((a, b) => a * b, 1);
    tensors.set(tensor.name, {
      shape: tensor.shape,
      values: dequantizeTwin(format, bytes, count, Math.fround),
    });
  }
  return new NaiveModel(tensors, file.metadata).logits(ids);
}
