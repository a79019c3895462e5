/**
 * ROTATE: for each head of a token, the head's own norm (Qwen 3, Gemma 3), rotary position embedding
 * (arXiv:2104.09864) of queries in place and of keys, and keys and values into the cache. A chunk is one KV
 * head, with its query heads, of up to 8 tokens.
 *
 * Pairs are (2i, 2i + 1), or (i, i + n/2) with NEOX; the angles' cosines and sines come with the step.
 */
import { PAGE_TABLES, POSITIONS, ROPE_TABLES } from '../control';
import {
  FLAGS, FROM, FROM_STRIDE, HEADS, HEAD_EPSILON, HEAD_WIDTH, KV_HEADS, KV_NONE, KV_TYPE, K_CACHE, K_FROM, K_NORM, K_STRIDE, NEOX,
  NORM_RMS, Q_NORM, ROPE_TABLE, ROTARY, VALUE_WIDTH, V_CACHE, V_FROM, V_STRIDE,
} from '../record';
import { pageOf, storeKey, storeValue, tileBytes } from './kv-cache';
import { normRow } from './norm';

const TOKENS_PER_CHUNK = 8;

export function rotateChunks(op: usize, tokens: i32): i32 {
  return load<i32>(op + KV_HEADS) * ((tokens + TOKENS_PER_CHUNK - 1) / TOKENS_PER_CHUNK);
}

/** Rotates the first `rotary` values at x; `table`: their cosines, then sines. */
export function rotateHead(x: usize, table: usize, rotary: i32, neox: bool): void {
  const half = rotary >> 1;
  const apart: usize = neox ? <usize>half << 2 : 4, step: usize = neox ? 4 : 8;
  for (let i = 0; i < half; i++) {
    const c = load<f32>(table), s = load<f32>(table + (<usize>half << 2));
    const a = load<f32>(x), b = load<f32>(x + apart);
    store<f32>(x, a * c - b * s);
    store<f32>(x + apart, a * s + b * c);
    x += step;
    table += 4;
  }
}

export function rotateChunk(op: usize, chunk: i32, tokens: i32): void {
  const heads = load<i32>(op + HEADS), kvHeads = load<i32>(op + KV_HEADS), queries = heads / kvHeads;
  const width = load<i32>(op + HEAD_WIDTH), valueWidth = load<i32>(op + VALUE_WIDTH), rotary = load<i32>(op + ROTARY);
  const neox = (load<u32>(op + FLAGS) & NEOX) != 0, type = load<u32>(op + KV_TYPE);
  const qNorm = <usize>load<u32>(op + Q_NORM), kNorm = <usize>load<u32>(op + K_NORM), epsilon = load<f32>(op + HEAD_EPSILON);
  const kvHead = chunk % kvHeads, first = chunk / kvHeads * TOKENS_PER_CHUNK;
  const tables = <usize>load<u32>(ROPE_TABLES + (<usize>load<u32>(op + ROPE_TABLE) << 2));
  const headBytes = <usize>width << 2;
  for (let t = first; t < min(first + TOKENS_PER_CHUNK, tokens); t++) {
    const angles = tables + (<usize>(t * rotary) << 2);
    for (let q = kvHead * queries; q < (kvHead + 1) * queries; q++) {
      const x = <usize>load<u32>(op + FROM) + <usize>t * load<u32>(op + FROM_STRIDE) + <usize>q * headBytes;
      if (qNorm) normRow(NORM_RMS, x, x, width, qNorm, 0, epsilon);
      rotateHead(x, angles, rotary, neox);
    }
    const k = <usize>load<u32>(op + K_FROM) + <usize>t * load<u32>(op + K_STRIDE) + <usize>kvHead * headBytes;
    const v = <usize>load<u32>(op + V_FROM) + <usize>t * load<u32>(op + V_STRIDE) + (<usize>(kvHead * valueWidth) << 2);
    if (kNorm) normRow(NORM_RMS, k, k, width, kNorm, 0, epsilon);
    rotateHead(k, angles, rotary, neox);
    if (type != KV_NONE) storeHead(op, type, t, kvHead, k, v);
  }
}

/** One head's key at k and value at v of token t into the cache. */
// @ts-ignore: decorator
@inline function storeHead(op: usize, type: u32, t: i32, kvHead: i32, k: usize, v: usize): void {
  const width = load<i32>(op + HEAD_WIDTH), valueWidth = load<i32>(op + VALUE_WIDTH);
  const position = load<i32>(<usize>load<u32>(POSITIONS) + (<usize>t << 2));
  const page = pageOf(load<u32>(<usize>load<u32>(PAGE_TABLES) + (<usize>t << 2)), position);
  storeKey(type, k, width, page + load<u32>(op + K_CACHE) + <usize>kvHead * tileBytes(type, width), position & 63);
  storeValue(type, v, valueWidth, page + load<u32>(op + V_CACHE) + <usize>kvHead * tileBytes(type, valueWidth), position & 63);
}

/** STORE: the cache's part of ROTATE, in the same chunks. */
export function storeChunk(op: usize, chunk: i32, tokens: i32): void {
  const kvHeads = load<i32>(op + KV_HEADS), type = load<u32>(op + KV_TYPE);
  const kvHead = chunk % kvHeads, first = chunk / kvHeads * TOKENS_PER_CHUNK;
  const keyBytes = <usize>load<i32>(op + HEAD_WIDTH) << 2, valueBytes = <usize>load<i32>(op + VALUE_WIDTH) << 2;
  for (let t = first; t < min(first + TOKENS_PER_CHUNK, tokens); t++) {
    const k = <usize>load<u32>(op + K_FROM) + <usize>t * load<u32>(op + K_STRIDE) + <usize>kvHead * keyBytes;
    const v = <usize>load<u32>(op + V_FROM) + <usize>t * load<u32>(op + V_STRIDE) + <usize>kvHead * valueBytes;
    storeHead(op, type, t, kvHead, k, v);
  }
}
