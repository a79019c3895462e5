/**
 * ATTEND: attention over the paged cache with grouped queries, page by page with an online softmax
 * (arXiv:1805.02867, as in FlashAttention): running maximum m, sum l and output o per query row.
 *
 * A chunk is one KV head and a few tokens of one sequence; its rows are the query heads of the group for
 * each of these tokens, so that a page's keys and values are made f32 once for all of them. A large group, or one that
 * would leave workers without a chunk, is divided. Pages are taken
 * in order and each row's arithmetic does not depend on the other rows, so neither the batch nor the number
 * of workers changes a bit. A token sees the positions up to its own; with BIDIRECTIONAL, all of its sequence,
 * which then is whole in the batch.
 *
 * With INT8 queries, keys and values are whole numbers within int8 and the probabilities become r8(127 * softmax), as
 * SmoothQuant's integer matmuls take them (arXiv:2211.10438). These need the sum over all positions beforehand, so there
 * are two passes over the pages; the dot products are f32's, which are exact for such numbers.
 */
import { ATTEND_ROWS, PAGE, PAGE_TABLES, POSITIONS, THREADS } from '../control';
import { madd } from '../isa';
import {
  BIDIRECTIONAL, FLAGS, FROM, FROM_STRIDE, HEADS, HEAD_WIDTH, INT8, KV_HEADS, KV_TYPE, K_CACHE, LATENT, OUTPUT_SCALE, SOFTCAP,
  SOFTMAX_SCALE, TO, TO_STRIDE, VALUE_WIDTH, V_CACHE, WINDOW,
} from '../record';
import { loadKeys, loadValues, pageOf, tileBytes, valuesOfKeys } from './kv-cache';
import { LOWEST, scaleScores, softmaxPage, wholeProbabilities } from './softmax';

/** Rows of a chunk when larger ones would be too few for the workers. */
const FEW_ROWS = 16;
/** Chunks per worker that are enough. */
const CHUNKS_PER_THREAD = 8;
/** Rows that are done together anyway: fewer query heads save nothing. */
const LEAST_ROWS = 4;

// @ts-ignore: decorator
@inline function tokensPerChunk(op: usize, tokens: i32): i32 {
  const kvHeads = load<i32>(op + KV_HEADS), queries = load<i32>(op + HEADS) / kvHeads;
  const many = max(1, ATTEND_ROWS / queries);
  if (kvHeads * tokens / many >= load<i32>(THREADS) * CHUNKS_PER_THREAD) return many;
  return max(1, FEW_ROWS / queries);
}

/** Query heads of one group in a chunk, when there are `blocks` of KV head and tokens. */
// @ts-ignore: decorator
@inline function queriesPerChunk(op: usize, blocks: i32): i32 {
  const queries = load<i32>(op + HEADS) / load<i32>(op + KV_HEADS), threads = load<i32>(THREADS);
  let per = min(queries, FEW_ROWS);
  while (per > LEAST_ROWS && (queries + per - 1) / per * blocks < threads) per = (per + 1) >> 1;
  return per;
}

// @ts-ignore: decorator
@inline function blocksOf(op: usize, tokens: i32): i32 {
  const per = tokensPerChunk(op, tokens);
  return load<i32>(op + KV_HEADS) * ((tokens + per - 1) / per);
}

export function attendChunks(op: usize, tokens: i32): i32 {
  const blocks = blocksOf(op, tokens), per = queriesPerChunk(op, blocks);
  return blocks * ((load<i32>(op + HEADS) / load<i32>(op + KV_HEADS) + per - 1) / per);
}

// @ts-ignore: decorator
@inline function positionOf(t: i32): i32 {
  return load<i32>(<usize>load<u32>(POSITIONS) + (<usize>t << 2));
}

// @ts-ignore: decorator
@inline function tableOf(t: i32): u32 {
  return load<u32>(<usize>load<u32>(PAGE_TABLES) + (<usize>t << 2));
}

export function attendChunk(op: usize, chunk: i32, tokens: i32, scratch: usize): void {
  const kvHeads = load<i32>(op + KV_HEADS), per = tokensPerChunk(op, tokens);
  const queries = load<i32>(op + HEADS) / kvHeads, share = queriesPerChunk(op, blocksOf(op, tokens));
  const shares = (queries + share - 1) / share, block = chunk / shares;
  const firstQuery = chunk % shares * share, lastQuery = min(firstQuery + share, queries);
  // The last tokens see most positions: they go first, so that no long chunk is left for the end.
  const chunks = (tokens + per - 1) / per;
  const kvHead = block % kvHeads;
  let t = (chunks - 1 - block / kvHeads) * per;
  const end = min(t + per, tokens);
  const bidirectional = (load<u32>(op + FLAGS) & BIDIRECTIONAL) != 0;
  // Neighbours may belong to other sequences: each run of one sequence is done on its own.
  while (t < end) {
    let next = t + 1;
    while (next < end && tableOf(next) == tableOf(t)) next++;
    let seen = next;
    if (bidirectional) while (seen < tokens && tableOf(seen) == tableOf(t)) seen++;
    attendRun(op, kvHead, kvHead * queries + firstQuery, lastQuery - firstQuery, t, next, seen, scratch);
    t = next;
  }
}

/**
 * Scores of rows x positions: s[row][64] = q[row] . keys, four rows and eight positions at a time. Four rows of q lie
 * channel by channel, [width][4], so that one pointer serves them all.
 */
function scores(q: usize, keys: usize, s: usize, rows: i32, width: i32, used: i32): void {
  const bytes = <usize>width << 4;
  for (let r = 0; r < rows; r += 4) {
    const s0 = s + (<usize>r << 8);
    for (let p: usize = 0; p < <usize>used; p += 8) {
      let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
      let k = keys + (p << 2);
      for (let x = q, xEnd = q + bytes; x < xEnd; x += 16) {
        const k0 = v128.load(k), k1 = v128.load(k, 16);
        let f = v128.load32_splat(x);
        a0 = madd(f, k0, a0); a1 = madd(f, k1, a1);
        f = v128.load32_splat(x, 4);
        b0 = madd(f, k0, b0); b1 = madd(f, k1, b1);
        f = v128.load32_splat(x, 8);
        c0 = madd(f, k0, c0); c1 = madd(f, k1, c1);
        f = v128.load32_splat(x, 12);
        d0 = madd(f, k0, d0); d1 = madd(f, k1, d1);
        k += 256;
      }
      const o = s0 + (p << 2);
      v128.store(o, a0); v128.store(o, a1, 16); v128.store(o, b0, 256); v128.store(o, b1, 272);
      v128.store(o, c0, 512); v128.store(o, c1, 528); v128.store(o, d0, 768); v128.store(o, d1, 784);
    }
    q += bytes;
  }
}

/** o[row] += p[row] . values over positions from..used, four rows and eight channels at a time. */
function weigh(p: usize, values: usize, o: usize, rows: i32, width: i32, used: i32): void {
  const step = <usize>width << 2;
  for (let r = 0; r < rows; r += 4) {
    const p0 = p + (<usize>r << 8), pEnd = p0 + (<usize>used << 2);
    let d: usize = 0;
    for (; d + 32 <= step; d += 32) {
      const y = o + <usize>r * step + d;
      let a0 = v128.load(y), a1 = v128.load(y, 16), b0 = v128.load(y + step), b1 = v128.load(y + step, 16);
      let c0 = v128.load(y + 2 * step), c1 = v128.load(y + 2 * step, 16), e0 = v128.load(y + 3 * step), e1 = v128.load(y + 3 * step, 16);
      let v = values + d;
      for (let x = p0; x < pEnd; x += 4) {
        const v0 = v128.load(v), v1 = v128.load(v, 16);
        let f = v128.load32_splat(x);
        a0 = madd(f, v0, a0); a1 = madd(f, v1, a1);
        f = v128.load32_splat(x, 256);
        b0 = madd(f, v0, b0); b1 = madd(f, v1, b1);
        f = v128.load32_splat(x, 512);
        c0 = madd(f, v0, c0); c1 = madd(f, v1, c1);
        f = v128.load32_splat(x, 768);
        e0 = madd(f, v0, e0); e1 = madd(f, v1, e1);
        v += step;
      }
      v128.store(y, a0); v128.store(y, a1, 16); v128.store(y + step, b0); v128.store(y + step, b1, 16);
      v128.store(y + 2 * step, c0); v128.store(y + 2 * step, c1, 16); v128.store(y + 3 * step, e0); v128.store(y + 3 * step, e1, 16);
    }
    for (; d < step; d += 16) {
      for (let row: usize = 0; row < 4; row++) {
        const y = o + (<usize>r + row) * step + d;
        let a = v128.load(y), v = values + d;
        for (let x = p0 + (row << 8), xEnd = x + (<usize>used << 2); x < xEnd; x += 4) {
          a = madd(v128.load32_splat(x), v128.load(v), a);
          v += step;
        }
        v128.store(y, a);
      }
    }
  }
}

/**
 * Tokens from .. to - 1 of one sequence, `queries` query heads from `firstHead` on, which share a KV head; token seen - 1
 * is the last that they see. Scratch: see attendScratch in src/engine/layout.ts.
 */
function attendRun(
  op: usize, kvHead: i32, firstHead: i32, queries: i32, from: i32, to: i32, seen: i32, scratch: usize,
): void {
  const width = load<i32>(op + HEAD_WIDTH), valueWidth = load<i32>(op + VALUE_WIDTH);
  const type = load<u32>(op + KV_TYPE), window = load<i32>(op + WINDOW), softcap = load<f32>(op + SOFTCAP);
  const rows = queries * (to - from), padded = (rows + 3) & ~3;
  const q = scratch;
  const o = q + (<usize>(padded * width) << 2);
  const s = o + (<usize>(padded * valueWidth) << 2);
  const running = s + (<usize>padded << 8); // per row: maximum, sum
  const keyRoom = running + (<usize>padded << 3);
  const valueRoom = keyRoom + (<usize>width << 8);

  // Rows: token by token, its query heads side by side, scaled; with INT8 the scores are, for whole numbers give exact ones.
  const int8 = (load<u32>(op + FLAGS) & INT8) != 0, scoreScale = load<f32>(op + SOFTMAX_SCALE);
  const scale = int8 ? <f32>1 : scoreScale;
  memory.fill(q, 0, running - q);
  for (let row = 0; row < rows; row++) {
    const t = from + row / queries, head = firstHead + row % queries;
    const x = <usize>load<u32>(op + FROM) + <usize>t * load<u32>(op + FROM_STRIDE) + (<usize>(head * width) << 2);
    const y = q + (<usize>((row & ~3) * width + (row & 3)) << 2);
    for (let d: usize = 0, end = <usize>width << 2; d < end; d += 4) store<f32>(y + (d << 2), load<f32>(x + d) * scale);
    store<f32>(running + (<usize>row << 3), LOWEST);
    store<f32>(running + (<usize>row << 3), 0, 4);
  }

  const table = <usize>tableOf(from);
  const last = positionOf(seen - 1), bidirectional = (load<u32>(op + FLAGS) & BIDIRECTIONAL) != 0;
  const oldest = window > 0 ? max(0, positionOf(from) - window + 1) : 0;
  const lowest = oldest & ~(PAGE - 1);
  // With INT8 the first pass only finds each row's maximum and sum: its output stays 0.
  for (let pass = int8 ? 0 : 1; pass < 2; pass++) {
    for (let start = lowest; start <= last; start += PAGE) {
      const page = pageOf(table, start);
      const used = min(PAGE, last - start + 1);
      const keys = loadKeys(type, page + load<u32>(op + K_CACHE) + <usize>kvHead * tileBytes(type, width), width, used, keyRoom);
      scores(q, keys, s, padded, width, used);
      if (int8) scaleScores(s, padded, used, scoreScale);
      for (let row = 0; row < rows; row++) {
        const position = positionOf(from + row / queries);
        const low = window > 0 ? max(0, position - window + 1 - start) : 0;
        const high = bidirectional ? used : position - start + 1;
        const p = s + (<usize>row << 8), state = running + (<usize>row << 3);
        if (int8 && pass == 1) wholeProbabilities(p, state, low, high, used);
        else softmaxPage(p, state, o + (<usize>(row * valueWidth) << 2), valueWidth, low, high, used, softcap);
      }
      if (pass == 0) continue;
      let values = valueRoom;
      if (load<u32>(op + FLAGS) & LATENT) valuesOfKeys(keys, valueWidth, used, valueRoom);
      else values = loadValues(type, page + load<u32>(op + V_CACHE) + <usize>kvHead * tileBytes(type, valueWidth), valueWidth, used, valueRoom);
      weigh(s, values, o, padded, valueWidth, used);
    }
  }

  for (let row = 0; row < rows; row++) {
    const t = from + row / queries, head = firstHead + row % queries;
    const y = <usize>load<u32>(op + TO) + <usize>t * load<u32>(op + TO_STRIDE) + (<usize>(head * valueWidth) << 2);
    const x = o + (<usize>(row * valueWidth) << 2);
    const inverse = f32x4.splat(int8 ? load<f32>(op + OUTPUT_SCALE) : <f32>1 / load<f32>(running + (<usize>row << 3), 4));
    for (let d: usize = 0, end = <usize>valueWidth << 2; d < end; d += 16) v128.store(y + d, f32x4.mul(v128.load(x + d), inverse));
  }
}
