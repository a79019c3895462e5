/**
 * Dequantization of every weight format, one weight at a time, straight from the bytes of a file: written from
 * ggml's block structures (ggml-common.h, ggml-quants.c), not from the kernels.
 *
 * `round` is applied after every operation: Math.fround gives ggml's f32 result, bit for bit; the identity gives
 * the exact weight.
 */
import { bf16ToNumber, f16ToNumber } from './numbers.ts';

export type Round = (x: number) => number;
export const exactly: Round = (x) => x;

/** One block at `at`: its weights in order. */
type Block = (b: DataView, at: number, round: Round) => number[];

const half = (b: DataView, at: number) => f16ToNumber(b.getUint16(at, true));
const range = (n: number) => Array.from({ length: n }, (_, i) => i);
/** Nibble of column k of 32: low ones first. */
const nibble = (b: DataView, at: number, k: number) =>
  k < 16 ? b.getUint8(at + k) & 15 : b.getUint8(at + k - 16) >> 4;
const bit = (b: DataView, at: number, k: number) => (b.getUint8(at + (k >> 3)) >> (k & 7)) & 1;

const IQ4_NL_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/** Doubled E2M1; whole numbers, so the negative zero is a plain one. */
const MXFP4_VALUES = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** Six-bit scale (0) and minimum (1) of block j of Q4_K and Q5_K: get_scale_min_k4. */
function scaleMin(b: DataView, at: number, j: number): [number, number] {
  const q = (i: number) => b.getUint8(at + i);
  if (j < 4) return [q(j) & 63, q(j + 4) & 63];
  return [(q(j + 4) & 15) | ((q(j - 4) >> 6) << 4), (q(j + 4) >> 4) | ((q(j) >> 6) << 4)];
}

/** The sixteen 6-bit scales of Q3_K, minus 32. */
function scales3(b: DataView, at: number): number[] {
  return range(16).map((j) => {
    const low = j < 8 ? b.getUint8(at + j) & 15 : b.getUint8(at + j - 8) >> 4;
    const high = (b.getUint8(at + 8 + (j % 4)) >> (2 * Math.floor(j / 4))) & 3;
    return low + 16 * high - 32;
  });
}

const BLOCKS: Record<string, Block> = {
  F32: (b, at) => [b.getFloat32(at, true)],
  F16: (b, at) => [half(b, at)],
  BF16: (b, at) => [bf16ToNumber(b.getUint16(at, true))],
  Q4_0: (b, at, round) => range(32).map((k) => round((nibble(b, at + 2, k) - 8) * half(b, at))),
  Q4_1: (b, at, round) =>
    range(32).map((k) => round(round(nibble(b, at + 4, k) * half(b, at)) + half(b, at + 2))),
  Q5_0: (b, at, round) =>
    range(32).map((k) => round((nibble(b, at + 6, k) + 16 * bit(b, at + 2, k) - 16) * half(b, at))),
  Q5_1: (b, at, round) =>
    range(32).map((k) =>
      round(round((nibble(b, at + 8, k) + 16 * bit(b, at + 4, k)) * half(b, at)) + half(b, at + 2)),
    ),
  I8: (b, at) => range(32).map((k) => b.getInt8(at + k)),
  Q8_0: (b, at, round) => range(32).map((k) => round(b.getInt8(at + 2 + k) * half(b, at))),
  Q2_K: (b, at, round) =>
    range(256).map((k) => {
      // 16 bytes of scales, 64 of weights: of each 128 columns, run c of 32 takes bit pair c of 32 bytes.
      const scales = b.getUint8(at + (k >> 4));
      const q = (b.getUint8(at + 16 + 32 * (k >> 7) + (k % 32)) >> (2 * ((k >> 5) % 4))) & 3;
      const least = round(half(b, at + 82) * (scales >> 4));
      return round(round(round(half(b, at + 80) * (scales & 15)) * q) - least);
    }),
  Q3_K: (b, at, round) => {
    const scales = scales3(b, at + 96);
    return range(256).map((k) => {
      const low = (b.getUint8(at + 32 + 32 * (k >> 7) + (k % 32)) >> (2 * ((k >> 5) % 4))) & 3;
      const high = (b.getUint8(at + (k % 32)) >> (k >> 5)) & 1;
      return round(round(half(b, at + 108) * scales[k >> 4]!) * (low + 4 * high - 4));
    });
  },
  Q4_K: (b, at, round) =>
    range(256).map((k) => {
      const [scale, least] = scaleMin(b, at + 4, k >> 5);
      const byte = b.getUint8(at + 16 + 32 * (k >> 6) + (k % 32));
      const q = (k >> 5) % 2 ? byte >> 4 : byte & 15;
      return round(round(round(half(b, at) * scale) * q) - round(half(b, at + 2) * least));
    }),
  Q5_K: (b, at, round) =>
    range(256).map((k) => {
      const [scale, least] = scaleMin(b, at + 4, k >> 5);
      const byte = b.getUint8(at + 48 + 32 * (k >> 6) + (k % 32));
      const high = (b.getUint8(at + 16 + (k % 32)) >> (k >> 5)) & 1;
      const q = ((k >> 5) % 2 ? byte >> 4 : byte & 15) + 16 * high;
      return round(round(round(half(b, at) * scale) * q) - round(half(b, at + 2) * least));
    }),
  Q6_K: (b, at, round) =>
    range(256).map((k) => {
      const [outer, run, l] = [k >> 7, (k >> 5) % 4, k % 32];
      const low = b.getUint8(at + 64 * outer + 32 * (run % 2) + l);
      const high = (b.getUint8(at + 128 + 32 * outer + l) >> (2 * run)) & 3;
      const q = (run < 2 ? low & 15 : low >> 4) + 16 * high - 32;
      return round(round(half(b, at + 208) * b.getInt8(at + 192 + (k >> 4))) * q);
    }),
  IQ4_NL: (b, at, round) => range(32).map((k) => round(IQ4_NL_VALUES[nibble(b, at + 2, k)]! * half(b, at))),
  IQ4_XS: (b, at, round) =>
    range(256).map((k) => {
      const block = k >> 5;
      const low = (b.getUint8(at + 4 + (block >> 1)) >> (4 * (block % 2))) & 15;
      const high = (b.getUint16(at + 2, true) >> (2 * block)) & 3;
      const scale = round(half(b, at) * (low + 16 * high - 32));
      return round(IQ4_NL_VALUES[nibble(b, at + 8 + 16 * block, k % 32)]! * scale);
    }),
  MXFP4: (b, at, round) => {
    const e = b.getUint8(at);
    const scale = e === 255 ? NaN : 2 ** (e - 128);
    return range(32).map((k) => round(MXFP4_VALUES[nibble(b, at + 1, k)]! * scale));
  },
};

export interface Shape {
  name: string;
  blockColumns: number;
  blockBytes: number;
}

/** A row of `columns` weights, `bytes` being that row in the file. */
export function dequantizeTwin(format: Shape, bytes: Uint8Array, columns: number, round: Round): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const weights: number[] = [];
  for (let at = 0; weights.length < columns; at += format.blockBytes) {
    weights.push(...BLOCKS[format.name]!(view, at, round));
  }
  return weights;
}

/** Rows as Q4_0, interleaved as the retired types were: `interleave` rows in runs of `run` bytes, signed nibbles. */
export function interleaveTwin(
  q4_0: Uint8Array,
  rows: number,
  interleave: number,
  run: number,
): Uint8Array<ArrayBuffer> {
  const blocks = q4_0.length / rows / 18;
  const out = new Uint8Array(q4_0.length);
  let to = 0;
  for (let group = 0; group < rows; group += interleave) {
    for (let b = 0; b < blocks; b++) {
      const block = (r: number) => ((group + r) * blocks + b) * 18;
      for (let r = 0; r < interleave; r++) {
        out[to++] = q4_0[block(r)]!;
        out[to++] = q4_0[block(r) + 1]!;
      }
      for (let from = 0; from < 16; from += run) {
        for (let r = 0; r < interleave; r++) {
          for (let j = 0; j < run; j++) out[to++] = q4_0[block(r) + 2 + from + j]! ^ 0x88;
        }
      }
    }
  }
  return out;
}
