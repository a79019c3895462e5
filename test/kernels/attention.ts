/** ROTATE and ATTEND over a paged cache, a batch at a time; and what they should give. */
import { attendScratch } from '../../src/engine/layout/scratch.ts';
import * as R from '../../src/kernels/record.ts';
import type { Machine } from './machine.ts';
import { emptyRows, getRows, putRows, run } from './program.ts';
import type { Op } from './program.ts';
import { normals, random } from './twins/numbers.ts';
import { attention, cached, rmsNorm, rope } from './twins/ops.ts';

export interface Attention {
  heads: number;
  kvHeads: number;
  width: number;
  valueWidth: number;
  type: number;
  rotary: number;
  neox?: boolean;
  window?: number;
  softcap?: number;
  headNorms?: boolean;
  /** A sequence is whole in its batch, and each token sees all of it. */
  bidirectional?: boolean;
  /** Whole numbers, with these factors on scores and on sums of values. */
  int8?: { scores: number; values: number };
}

/** Made-up queries, keys and values of a sequence, and its angles, a row per position. */
export interface Sequence {
  length: number;
  q: Float32Array[];
  k: Float32Array[];
  v: Float32Array[];
  angles: Float32Array[];
}

export function makeSequence(a: Attention, length: number, seed: number): Sequence {
  const source = random(seed);
  const rows = (width: number, size: number) =>
    Array.from({ length }, () => {
      const row = normals(width, source, a.int8 ? 40 : size);
      return a.int8 ? row.map((v) => Math.max(-128, Math.min(127, Math.round(v)))) : row;
    });
  const angles = Array.from({ length }, (_, p) => {
    const half = Array.from({ length: a.rotary / 2 }, (_, i) => (p + seed) / 10000 ** ((2 * i) / a.rotary));
    return Float32Array.from([...half.map(Math.cos), ...half.map(Math.sin)]);
  });
  return {
    length,
    q: rows(a.heads * a.width, 1.5),
    k: rows(a.kvHeads * a.width, 1),
    v: rows(a.kvHeads * a.valueWidth, 2),
    angles,
  };
}

const EPSILON = 1e-6;
const normWeights = (a: Attention, seed: number) => normals(a.width, random(seed)).map((v) => 1 + 0.1 * v);
const scaleOf = (a: Attention) => Math.fround(1 / Math.sqrt(a.width));

/** The cache of one layer, of two that share its pages. */
export class Cache {
  readonly machine: Machine;
  readonly a: Attention;
  readonly pageBytes: number;
  readonly base: number;
  readonly #table: number;
  readonly #kOffset: number;
  readonly #vOffset: number;

  /** Pages are taken in a shuffled order; all bytes start as NaN. */
  constructor(machine: Machine, a: Attention, pages: number) {
    this.machine = machine;
    this.a = a;
    const kBytes = a.kvHeads * machine.kernels.tileBytes(a.type, a.width);
    const vBytes = a.kvHeads * machine.kernels.tileBytes(a.type, a.valueWidth);
    this.#kOffset = 128;
    this.#vOffset = 128 + kBytes;
    this.pageBytes = 128 + kBytes + vBytes + 64;
    this.base = machine.alloc(pages * this.pageBytes, 0xff);
    this.#table = machine.put(Uint32Array.from({ length: pages }, (_, i) => (i * 5 + 3) % pages));
  }

  /** Address of a sequence's page table that starts at the cache's n-th page. */
  table(first: number): number {
    return this.#table + first * 4;
  }

  pageAt(index: number): number {
    return this.base + this.pageBytes * this.machine.view().getUint32(this.#table + index * 4, true);
  }

  /** One step: rotates, stores and attends `tokens`, each a position of a sequence. */
  step(tokens: { sequence: Sequence; position: number; table: number }[], threads = 1): Float32Array[] {
    const { machine, a } = this;
    const pick = (key: 'q' | 'k' | 'v') =>
      putRows(
        machine,
        tokens.map((t) => t.sequence[key][t.position]!),
      );
    const q = pick('q');
    const k = pick('k');
    const v = putRows(
      machine,
      tokens.map((t) => t.sequence.v[t.position]!),
      128,
    );
    const to = emptyRows(machine, tokens.length, a.heads * a.valueWidth);
    const angles = putRows(
      machine,
      tokens.map((t) => t.sequence.angles[t.position]!),
      0,
    ).at;
    const shared = {
      [R.HEADS]: a.heads,
      [R.KV_HEADS]: a.kvHeads,
      [R.HEAD_WIDTH]: a.width,
      [R.VALUE_WIDTH]: a.valueWidth,
      [R.K_CACHE]: this.#kOffset,
      [R.V_CACHE]: this.#vOffset,
      [R.KV_TYPE]: a.type,
      [R.FROM]: q.at,
      [R.FROM_STRIDE]: q.stride,
    };
    const norm = (seed: number) => (a.headNorms ? machine.put(normWeights(a, seed)) : 0);
    const rotate: Op = {
      opcode: R.OP_ROTATE,
      flags: a.neox ? R.NEOX : 0,
      words: {
        ...shared,
        [R.K_FROM]: k.at,
        [R.V_FROM]: v.at,
        [R.K_STRIDE]: k.stride,
        [R.V_STRIDE]: v.stride,
        [R.ROTARY]: a.rotary,
        [R.ROPE_TABLE]: 1,
        [R.Q_NORM]: norm(1),
        [R.K_NORM]: norm(2),
      },
      floats: { [R.HEAD_EPSILON]: EPSILON },
    };
    const attend: Op = {
      opcode: R.OP_ATTEND,
      flags: (a.bidirectional ? R.BIDIRECTIONAL : 0) | (a.int8 ? R.INT8 : 0),
      words: { ...shared, [R.TO]: to.at, [R.TO_STRIDE]: to.stride, [R.WINDOW]: a.window ?? 0 },
      floats: {
        [R.SOFTMAX_SCALE]: a.int8?.scores ?? scaleOf(a),
        [R.SOFTCAP]: a.softcap ?? 0,
        [R.OUTPUT_SCALE]: a.int8?.values ?? 0,
      },
    };
    // What the engine gives: a byte more would hit the fence.
    const scratch = attendScratch(a.heads / a.kvHeads, a.width, a.valueWidth);
    run(machine, [rotate, attend], {
      tokens: tokens.length,
      threads,
      scratch,
      positions: machine.put(Int32Array.from(tokens, (t) => t.position)),
      pageTables: machine.put(Uint32Array.from(tokens, (t) => t.table)),
      ropes: [0, angles],
      kvBase: this.base,
      kvPageBytes: this.pageBytes,
    });
    return getRows(machine, to);
  }
}

/** Every position of a sequence on its own, in f64 over what the cache holds. */
export function attendTwin(a: Attention, sequence: Sequence): number[][] {
  const head = (row: Float32Array, h: number, width: number) => row.subarray(h * width, (h + 1) * width);
  const turned = (x: Float32Array, p: number, seed: number) => {
    const normed = a.headNorms ? Float32Array.from(rmsNorm(x, EPSILON, normWeights(a, seed))) : x;
    const angles = sequence.angles[p]!;
    return rope(
      normed,
      angles.subarray(0, a.rotary / 2),
      angles.subarray(a.rotary / 2),
      a.rotary,
      a.neox ?? false,
    );
  };
  const positions = Array.from({ length: sequence.length }, (_, p) => p);
  const heads = Array.from({ length: a.kvHeads }, (_, h) => ({
    keys: positions.map((p) => cached(a.type, turned(head(sequence.k[p]!, h, a.width), p, 2))),
    values: positions.map((p) => cached(a.type, head(sequence.v[p]!, h, a.valueWidth))),
  }));
  return positions.map((p) => {
    const first = a.window ? Math.max(0, p - a.window + 1) : 0;
    const end = a.bidirectional ? sequence.length : p + 1;
    const out: number[] = [];
    for (let h = 0; h < a.heads; h++) {
      const { keys, values } = heads[Math.floor(h / (a.heads / a.kvHeads))]!;
      const q = turned(head(sequence.q[p]!, h, a.width), p, 1);
      out.push(...attention(q, keys.slice(first, end), values.slice(first, end), scaleOf(a), a.softcap ?? 0));
    }
    return out;
  });
}
