/**
 * Tiny W8A8 models of random numbers, as tools/convert/README.md lays them out: `opt` with whole numbers within attention
 * (mit-han-lab's SmoothQuant exports) and `llama` with static input scales. And what they should give, naively, in f64.
 */
import { writeFile } from 'node:fs/promises';
import {
  f32,
  memorySink,
  u32,
  writeGguf,
  type WritableTensor,
  type WritableValue,
} from '../../src/gguf/index.ts';
import { normals, random, roundHalfEven, type Random } from '../kernels/twins/numbers.ts';
import { attention, layerNorm, rmsNorm, rope, silu, wholeAttention } from '../kernels/twins/ops.ts';

export const SIZES = {
  width: 64,
  headWidth: 16,
  heads: 4,
  feedForward: 96,
  layers: 2,
  vocabulary: 128,
  context: 128,
};
const EPSILON = 1e-5;

export interface Int8Model {
  architecture: 'opt' | 'llama';
  kvHeads: number;
  tensors: Map<string, { shape: number[]; values: Float32Array | Int8Array }>;
}

/** Whole numbers of int8, and scales that leave most outputs within range and some beyond. */
export function makeInt8Model(architecture: 'opt' | 'llama', seed: number): Int8Model {
  const source = random(seed);
  const model: Int8Model = { architecture, kvHeads: architecture === 'opt' ? 4 : 2, tensors: new Map() };
  const { width, headWidth, heads, feedForward, layers, vocabulary, context } = SIZES;
  const add = (name: string, shape: number[], values: Float32Array | Int8Array) =>
    model.tensors.set(name, { shape, values });
  const around = (n: number, mean: number, deviation: number) =>
    normals(n, source, deviation).map((v) => v + mean);
  const linear = (name: string, [columns, rows]: [number, number], scale: number, rest: LinearRest) =>
    addLinear(add, source, name, [columns, rows], scale, rest);

  add('token_embd.weight', [width, vocabulary], normals(width * vocabulary, source));
  add('output_norm.weight', [width], around(width, 1, 0.1));
  if (architecture === 'opt') {
    add('output_norm.bias', [width], normals(width, source, 0.1));
    add('position_embd.weight', [width, context], normals(width * context, source, 0.5));
  }
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `blk.${layer}.${part}`;
    const kv = model.kvHeads * headWidth;
    const qkv = [
      ['attn_q', heads * headWidth],
      ['attn_k', kv],
      ['attn_v', kv],
    ] as const;
    if (architecture === 'opt') {
      for (const norm of ['attn_norm', 'ffn_norm']) {
        add(name(`${norm}.weight`), [width], around(width, 35, 5));
        add(name(`${norm}.bias`), [width], normals(width, source, 5));
      }
      for (const [part, rows] of qkv) linear(name(part), [width, rows], 0.002, { bias: 5 });
      add(name('attn_qk.scale'), [1], Float32Array.of(4e-4));
      add(name('attn_pv.scale'), [1], Float32Array.of(0.0147913));
      linear(name('attn_output'), [width, width], 2e-5, { bias: 0.1 });
      linear(name('ffn_up'), [width, feedForward], 0.002, { bias: 5 });
      linear(name('ffn_down'), [feedForward, width], 2e-5, { bias: 0.1 });
    } else {
      for (const norm of ['attn_norm', 'ffn_norm'])
        add(name(`${norm}.weight`), [width], around(width, 1, 0.1));
      for (const [part, rows] of qkv)
        linear(name(part), [width, rows], 0.0017, { input: 0.025, perRow: part !== 'attn_k' });
      linear(name('attn_output'), [width, width], 0.001, { input: 0.01, perRow: true });
      linear(name('ffn_gate'), [width, feedForward], 0.0017, { input: 0.022 });
      linear(name('ffn_up'), [width, feedForward], 0.0017, { input: 0.022, perRow: true });
      linear(name('ffn_down'), [feedForward, width], 0.0008, { input: 0.011, bias: 0.1 });
    }
  }
  return model;
}

interface LinearRest {
  /** Deviation of the bias; none without it. */
  bias?: number;
  input?: number;
  perRow?: boolean;
}

function addLinear(
  add: (name: string, shape: number[], values: Float32Array | Int8Array) => void,
  source: Random,
  name: string,
  [columns, rows]: [number, number],
  scale: number,
  { bias, input, perRow }: LinearRest,
): void {
  add(
    `${name}.weight`,
    [columns, rows],
    Int8Array.from({ length: columns * rows }, () => source.below(256) - 128),
  );
  const spread = () => scale * (0.7 + 0.6 * source.uniform());
  add(`${name}.scale`, [perRow ? rows : 1], Float32Array.from({ length: perRow ? rows : 1 }, spread));
  if (input) add(`${name}.input_scale`, [1], Float32Array.of(input));
  if (bias) add(`${name}.bias`, [rows], normals(rows, source, bias));
}

/** Writes the model as GGUF. */
export async function writeInt8Model(
  { architecture, kvHeads, tensors }: Int8Model,
  path: string,
): Promise<string> {
  const { width, heads, feedForward, layers, context, vocabulary } = SIZES;
  const sizes = {
    embedding_length: width,
    block_count: layers,
    feed_forward_length: feedForward,
    'attention.head_count': heads,
    'attention.head_count_kv': kvHeads,
    context_length: context,
    vocab_size: vocabulary,
  };
  const norm = architecture === 'opt' ? 'layer_norm_epsilon' : 'layer_norm_rms_epsilon';
  const sink = memorySink();
  await writeGguf(sink, {
    metadata: new Map<string, WritableValue>([
      ['general.architecture', architecture],
      [`${architecture}.quantization.method`, 'smoothquant'],
      ...Object.entries(sizes).map(([key, value]) => [`${architecture}.${key}`, u32(value)] as const),
      [`${architecture}.attention.${norm}`, f32(EPSILON)],
      ['tokenizer.ggml.model', 'none'],
    ]),
    tensors: [...tensors].map(([name, { shape, values }]): WritableTensor => ({
      name,
      shape,
      type: values instanceof Int8Array ? 24 : 0,
      data: values,
    })),
  });
  await writeFile(path, sink.bytes());
  return path;
}

/** The model in f64, one token after another. */
export class Int8Twin {
  readonly model: Int8Model;
  /** Distance to a half of the closest number that was rounded: within it, other arithmetic rounds alike. */
  margin = Infinity;

  constructor(model: Int8Model) {
    this.model = model;
  }

  private get(name: string): Float32Array | Int8Array {
    return this.model.tensors.get(name)!.values;
  }

  private find(name: string): Float32Array | Int8Array | undefined {
    return this.model.tensors.get(name)?.values;
  }

  /** To the nearest whole number, ties to even, and clipped to int8. */
  private round(y: number): number {
    if (Math.abs(y) < 129) this.margin = Math.min(this.margin, Math.abs(y - Math.floor(y) - 0.5));
    return Math.max(-128, Math.min(127, roundHalfEven(y)));
  }

  private linear(name: string, x: number[]): number[] {
    const { values, shape } = this.model.tensors.get(`${name}.weight`)!;
    const [columns, rows] = shape as [number, number];
    const scale = this.get(`${name}.scale`),
      bias = this.find(`${name}.bias`),
      input = this.find(`${name}.input_scale`)?.[0] ?? 1;
    const q = x.map((v) => this.round(v / input));
    return Array.from({ length: rows }, (_, r) => {
      const dot = q.reduce((sum, v, k) => sum + v * values[r * columns + k]!, 0);
      return scale[scale.length > 1 ? r : 0]! * input * dot + (bias?.[r] ?? 0);
    });
  }

  private norm(name: string, x: number[]): number[] {
    const weight = this.get(`${name}.weight`),
      bias = this.find(`${name}.bias`);
    return (this.model.architecture === 'opt' ? layerNorm : rmsNorm)(x, EPSILON, weight, bias);
  }

  /** Logits of every token. */
  logits(ids: readonly number[]): number[][] {
    const { width, layers } = SIZES;
    const embedding = this.get('token_embd.weight'),
      positions = this.find('position_embd.weight');
    const row = (table: ArrayLike<number>, r: number) =>
      Array.from({ length: width }, (_, d) => table[r * width + d]!);
    let hidden = ids.map((id, t) =>
      row(embedding, id).map((v, d) => v + (positions ? positions[t * width + d]! : 0)),
    );
    for (let layer = 0; layer < layers; layer++) hidden = this.layer(hidden, `blk.${layer}.`);
    return hidden.map((x) => {
      const normed = this.norm('output_norm', x);
      return Array.from({ length: SIZES.vocabulary }, (_, id) =>
        row(embedding, id).reduce((sum, w, d) => sum + w * normed[d]!, 0),
      );
    });
  }

  private layer(hidden: number[][], name: string): number[][] {
    const plus = (a: number[], b: number[]) => a.map((v, d) => v + b[d]!);
    const normed = hidden.map((x) => this.norm(`${name}attn_norm`, x));
    const attended = this.attend(normed, name).map((o) => this.linear(`${name}attn_output`, o));
    return hidden.map((x, t) => {
      const sum = plus(x, attended[t]!);
      const inner = this.norm(`${name}ffn_norm`, sum);
      const up = this.linear(`${name}ffn_up`, inner);
      const act =
        this.model.architecture === 'opt'
          ? up.map((v) => Math.max(0, v))
          : this.linear(`${name}ffn_gate`, inner).map((g, i) => silu(g) * up[i]!);
      return plus(sum, this.linear(`${name}ffn_down`, act));
    });
  }

  private attend(normed: number[][], name: string): number[][] {
    const { heads, headWidth } = SIZES;
    const [q, k, v] = ['attn_q', 'attn_k', 'attn_v'].map((part) =>
      normed.map((x) => this.linear(name + part, x)),
    );
    const cut = (x: number[], h: number) => x.slice(h * headWidth, (h + 1) * headWidth);
    return normed.map((_, t) =>
      Array.from({ length: heads }, (_h, h) => {
        const kvHead = Math.floor(h / (heads / this.model.kvHeads));
        const past = Array.from({ length: t + 1 }, (_p, p) => p);
        const values = past.map((p) => cut(v![p]!, kvHead));
        if (this.model.architecture === 'opt') {
          return this.attendWhole(
            name,
            cut(q![t]!, h),
            past.map((p) => cut(k![p]!, kvHead)),
            values,
          );
        }
        const keys = past.map((p) => turned(cut(k![p]!, kvHead), p));
        return attention(turned(cut(q![t]!, h), t), keys, values, 1 / Math.sqrt(headWidth), 0);
      }).flat(),
    );
  }

  /** Queries, keys, values and probabilities rounded. */
  private attendWhole(name: string, query: number[], keys: number[][], values: number[][]): number[] {
    const whole = (x: number[]) => x.map((y) => this.round(y));
    const [scores, factor] = ['attn_qk.scale', 'attn_pv.scale'].map((part) => this.get(name + part)[0]!);
    const result = wholeAttention(whole(query), keys.map(whole), values.map(whole), scores!, factor!);
    this.margin = Math.min(this.margin, ...result.margins);
    return result.output;
  }
}

function turned(x: number[], position: number): Float32Array {
  const angles = Array.from({ length: x.length / 2 }, (_, i) => position * 10000 ** ((-2 * i) / x.length));
  return rope(x, angles.map(Math.cos), angles.map(Math.sin), x.length, false);
}
