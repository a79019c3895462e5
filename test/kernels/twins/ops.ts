/** The ops between matmuls, naively and in f64. */
import { f16ToNumber, numberToF16, roundHalfEven } from './numbers.ts';

/** x / sqrt(mean of x^2 + epsilon) * weight + bias */
export function rmsNorm(
  x: ArrayLike<number>,
  epsilon: number,
  weight?: ArrayLike<number>,
  bias?: ArrayLike<number>,
): number[] {
  const values = Array.from(x);
  const meanSquare = values.reduce((sum, v) => sum + v * v, 0) / values.length;
  return values.map((v, i) => (v / Math.sqrt(meanSquare + epsilon)) * (weight?.[i] ?? 1) + (bias?.[i] ?? 0));
}

/** The same of x - mean(x) */
export function layerNorm(
  x: ArrayLike<number>,
  epsilon: number,
  weight?: ArrayLike<number>,
  bias?: ArrayLike<number>,
): number[] {
  const values = Array.from(x);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return rmsNorm(
    values.map((v) => v - mean),
    epsilon,
    weight,
    bias,
  );
}

/** Rotates the first `rotary` values of a head; cosines and sines are of rotary / 2 angles. Every step in f32. */
export function rope(
  x: ArrayLike<number>,
  cos: ArrayLike<number>,
  sin: ArrayLike<number>,
  rotary: number,
  neox: boolean,
): Float32Array {
  const round = Math.fround;
  const out = Float32Array.from(x);
  for (let i = 0; i < rotary / 2; i++) {
    const [a, b] = neox ? [i, i + rotary / 2] : [2 * i, 2 * i + 1];
    out[a] = round(x[a]! * cos[i]!) - round(x[b]! * sin[i]!);
    out[b] = round(x[a]! * sin[i]!) + round(x[b]! * cos[i]!);
  }
  return out;
}

export const silu = (x: number) => x / (1 + Math.exp(-x));
export const gelu = (x: number) =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
/** x times the normal distribution's cumulative function, its lower tail as a continued fraction or a series. */
export function geluErf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  let tail: number;
  if (z > 2.5) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (z + fraction);
    tail = Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction) / 2;
  } else {
    let term = z;
    let sum = z;
    for (let n = 1; n < 60; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    tail = 0.5 - sum / Math.sqrt(Math.PI);
  }
  return x * (x < 0 ? tail : 1 - tail);
}

/** What the KV cache makes of a head's keys or values: 0 f32, 1 f16, 2 q8_0 per 32 channels. */
export function cached(type: number, row: Float32Array): Float32Array {
  if (type === 0) return row;
  if (type === 1) return row.map((v) => f16ToNumber(numberToF16(v)));
  const out = row.slice();
  for (let first = 0; first < row.length; first += 32) {
    const block = row.subarray(first, first + 32);
    const largest = Math.max(...block.map(Math.abs));
    const inverse = largest > 0 ? Math.fround(127 / largest) : 0;
    const scale = Math.fround(largest / 127);
    for (const [i, v] of block.entries()) out[first + i] = roundHalfEven(Math.fround(v * inverse)) * scale;
  }
  return out;
}

/** Softmax attention of one query over keys and values in order of position; softcap 0: none. */
export function attention(
  q: ArrayLike<number>,
  keys: ArrayLike<number>[],
  values: ArrayLike<number>[],
  scale: number,
  softcap: number,
): number[] {
  const query = Array.from(q);
  let scores = keys.map((key) => scale * query.reduce((sum, v, d) => sum + v * key[d]!, 0));
  if (softcap > 0) scores = scores.map((s) => softcap * Math.tanh(s / softcap));
  const most = Math.max(...scores);
  const weights = scores.map((s) => Math.exp(s - most));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return Array.from(values[0]!, (_, d) => weights.reduce((sum, w, p) => sum + w * values[p]![d]!, 0) / total);
}

export interface WholeAttention {
  /** r8(127 * softmax), and how far each number was from a half before. */
  probabilities: number[];
  margins: number[];
  output: number[];
}

/** The same of whole numbers, with factors on the dot products of keys and on the sums of values. */
export function wholeAttention(
  q: ArrayLike<number>,
  keys: ArrayLike<number>[],
  values: ArrayLike<number>[],
  scale: number,
  factor: number,
): WholeAttention {
  const query = Array.from(q);
  const scores = keys.map((key) => scale * query.reduce((sum, v, d) => sum + v * key[d]!, 0));
  const most = Math.max(...scores);
  const weights = scores.map((s) => Math.exp(s - most));
  const total = weights.reduce((a, b) => a + b);
  const steps = weights.map((w) => (127 * w) / total);
  const probabilities = steps.map(roundHalfEven);
  return {
    probabilities,
    margins: steps.map((y) => Math.abs(y - Math.floor(y) - 0.5)),
    output: Array.from(
      values[0]!,
      (_, d) => factor * probabilities.reduce((sum, p, i) => sum + p * values[i]![d]!, 0),
    ),
  };
}

export interface Routing {
  used: number;
  sigmoid?: boolean;
  normalize?: boolean;
  scale: number;
  bias?: ArrayLike<number>;
  /** Groups of neighbours, and how many of them are eligible. */
  groups?: number;
  groupsUsed?: number;
}

/** The experts of one token, the best first (of equals the one with the lower number), and their weights. */
export function route(logits: ArrayLike<number>, routing: Routing): { expert: number; share: number }[] {
  const { used, sigmoid, normalize, scale, bias, groups = 1, groupsUsed = groups } = routing;
  const x = Array.from(logits);
  const most = Math.max(...x);
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const total = sum(x.map((v) => Math.exp(v - most)));
  const scores = x.map((v) => (sigmoid ? 1 / (1 + Math.exp(-v)) : Math.exp(v - most) / total));
  const ranks = scores.map((s, e) => s + (bias?.[e] ?? 0));
  const size = x.length / groups;
  const worth = (g: number) => {
    const best = ranks.slice(g * size, (g + 1) * size).sort((a, b) => b - a);
    return bias && size > 1 ? best[0]! + best[1]! : best[0]!;
  };
  const order = (values: readonly number[], value: (i: number) => number) =>
    [...values].sort((a, b) => value(b) - value(a) || a - b);
  const indices = (n: number) => Array.from({ length: n }, (_, i) => i);
  const kept = order(indices(groups), worth).slice(0, groupsUsed);
  const eligible = indices(x.length).filter((e) => kept.includes(Math.floor(e / size)));
  const chosen = order(eligible, (e) => ranks[e]!).slice(0, used);
  const factor = normalize ? scale / Math.max(sum(chosen.map((e) => scores[e]!)), 2 ** -14) : scale;
  return chosen.map((expert) => ({ expert, share: scores[expert]! * factor }));
}
