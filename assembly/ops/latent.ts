/**
 * Multi-head latent attention (arXiv:2405.04434, section 2.1): keys and values of all heads are projections of one latent
 * vector per position, so the cache holds that vector and one rotated key that all heads share. With the projections
 * absorbed into the query and the output, this is attention with a single KV head whose values are the first channels of
 * its keys:
 *
 *   query of a head   [ W_k^T q (rank) | rotated q ]        key   [ latent (rank) | rotated key ]
 *
 * HEADS: the matmuls with a matrix per head. LATENT: a token's norm of the latent vector, rotary embedding and cache; it
 * writes the rotated part of the queries while HEADS writes the others.
 */
import { PAGE, PAGE_TABLES, POSITIONS, ROPE_TABLES, THREADS } from '../control';
import {
  FROM, FROM_STRIDE, HEADS, HEAD_EPSILON, HEAD_WIDTH, KV_TYPE, K_CACHE, K_FROM, K_NORM, K_STRIDE, FLAGS, NEOX, NORM_RMS, PARTS,
  PART_BYTES, QUERY_WIDTH, ROPE_TABLE, ROTARY, ROW_GROUPS, TO, TO_STEP, TO_STRIDE, WIDTH, X_PRIVATE, X_SHARED, X_STEP, X_STRIDE,
} from '../record';
import { pageOf, storeKey } from './kv-cache';
import { CHUNKS_PER_THREAD, CHUNK_MACS, multiplyRows, streamGroups } from './matmul';
import { normRow } from './norm';
import { rotateHead } from './rotate';

/** Heads that go into one chunk: few where they are large. */
// @ts-ignore: decorator
@inline function headsPerChunk(op: usize, rows: i32): i32 {
  const parts = load<i32>(op + PARTS), macs = 8 * load<i32>(op + ROW_GROUPS) * load<i32>(op + WIDTH) * rows;
  return max((parts + load<i32>(THREADS) * CHUNKS_PER_THREAD - 1) / (load<i32>(THREADS) * CHUNKS_PER_THREAD), (CHUNK_MACS + macs - 1) / macs);
}

export function headsChunks(op: usize, rows: i32): i32 {
  const per = headsPerChunk(op, rows);
  return (load<i32>(op + PARTS) + per - 1) / per;
}

export function headsChunk(op: usize, chunk: i32, rows: i32, region: usize, scratch: usize): void {
  const per = headsPerChunk(op, rows), first = chunk * per, groups = streamGroups(op, rows);
  const x = rows == 1 ? region + load<u32>(op + X_PRIVATE) : <usize>load<u32>(op + X_SHARED);
  for (let head = first, end = min(first + per, load<i32>(op + PARTS)); head < end; head++) {
    const h = <usize>head, y = <usize>load<u32>(op + TO) + h * load<u32>(op + TO_STEP);
    multiplyRows(
      op, h * load<u32>(op + PART_BYTES), 0, groups, rows, x + h * load<u32>(op + X_STEP), load<u32>(op + X_STRIDE), y, scratch,
    );
  }
}

export function latentRow(op: usize, token: i32): void {
  const t = <usize>token, heads = load<i32>(op + HEADS), rotary = load<i32>(op + ROTARY), width = load<i32>(op + HEAD_WIDTH);
  const neox = (load<u32>(op + FLAGS) & NEOX) != 0, bytes = <usize>rotary << 2;
  const queryBytes = <usize>load<u32>(op + QUERY_WIDTH) << 2, headBytes = <usize>width << 2;
  const table = <usize>load<u32>(ROPE_TABLES + (<usize>load<u32>(op + ROPE_TABLE) << 2)) + t * bytes;
  // The rotated values are a head's last ones, in both.
  let from = <usize>load<u32>(op + FROM) + t * load<u32>(op + FROM_STRIDE) + queryBytes - bytes;
  let to = <usize>load<u32>(op + TO) + t * load<u32>(op + TO_STRIDE) + headBytes - bytes;
  for (let head = 0; head < heads; head++) {
    memory.copy(to, from, bytes);
    rotateHead(to, table, rotary, neox);
    from += queryBytes;
    to += headBytes;
  }
  const k = <usize>load<u32>(op + K_FROM) + t * load<u32>(op + K_STRIDE);
  normRow(NORM_RMS, k, k, width - rotary, load<u32>(op + K_NORM), 0, load<f32>(op + HEAD_EPSILON));
  rotateHead(k + headBytes - bytes, table, rotary, neox);
  const position = load<i32>(<usize>load<u32>(POSITIONS) + (t << 2));
  const page = pageOf(load<u32>(<usize>load<u32>(PAGE_TABLES) + (t << 2)), position);
  storeKey(load<u32>(op + KV_TYPE), k, width, page + load<u32>(op + K_CACHE), position & (PAGE - 1));
}
