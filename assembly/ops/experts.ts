/**
 * Mixture of experts. DISPATCH: copies each token's activations to the places of its pairs, where each expert's rows lie
 * side by side. EXPERTS: the matmul of each expert that has pairs with its rows, into the same places; only the weights
 * of these experts are read, once for all of their rows. COMBINE: TO += sum of weight x FROM over a token's pairs, in the
 * order of choice, so that neither the batch nor the number of workers changes a bit.
 */
import { ACTIVE, PLACES, SHARES, THREADS } from '../control';
import { madd } from '../isa';
import {
  FLAGS, FROM, FROM_STRIDE, ONE_ROW, PARTS, PART_BYTES, ROW_GROUPS, TO, TO_STRIDE, USED, WIDTH, X_PRIVATE, X_SHARED, X_STRIDE,
} from '../record';
import { CHUNKS_PER_THREAD, CHUNK_MACS, multiplyRows, streamGroups } from './matmul';

export function dispatchRow(op: usize, token: i32): void {
  const used = load<i32>(op + USED), bytes = load<u32>(op + WIDTH);
  const from = <usize>load<u32>(op + FROM) + <usize>token * load<u32>(op + FROM_STRIDE);
  const places = <usize>load<u32>(PLACES) + (<usize>(token * used) << 2);
  for (let slot: usize = 0; slot < <usize>used; slot++) {
    const place = load<u32>(places + (slot << 2));
    memory.copy(<usize>load<u32>(op + TO) + <usize>place * load<u32>(op + TO_STRIDE), from, bytes);
  }
}

/** Experts that can have pairs: how many do is known only when the tokens are routed, after chunks are counted. */
// @ts-ignore: decorator
@inline function mostActive(op: usize, tokens: i32): i32 {
  return min(load<i32>(op + PARTS), tokens * load<i32>(op + USED));
}

/** Chunks of one expert's matrix. */
// @ts-ignore: decorator
@inline function pieces(op: usize, tokens: i32): i32 {
  const most = mostActive(op, tokens), groups = load<i32>(op + ROW_GROUPS);
  const wanted = (load<i32>(THREADS) * CHUNKS_PER_THREAD + most - 1) / most;
  return max(1, min(wanted, min(groups >> 1, 8 * groups * load<i32>(op + WIDTH) / CHUNK_MACS)));
}

export function expertChunks(op: usize, tokens: i32): i32 {
  return mostActive(op, tokens) * pieces(op, tokens);
}

export function expertChunk(op: usize, chunk: i32, tokens: i32, region: usize, scratch: usize): void {
  const count = pieces(op, tokens), index = chunk / count, active = <usize>load<u32>(ACTIVE);
  if (index >= load<i32>(active)) return;
  const entry = active + 4 + <usize>index * 12;
  const expert = load<u32>(entry), place = <usize>load<u32>(entry, 4), rows = load<i32>(entry, 8);
  const groups = streamGroups(op, rows), per = (groups + count - 1) / count, first = chunk % count * per;
  if (first >= groups) return;
  const xStride = load<u32>(op + X_STRIDE);
  const alone = tokens == 1 && (load<u32>(op + FLAGS) & ONE_ROW) != 0;
  const x = alone ? region + load<u32>(op + X_PRIVATE) : <usize>load<u32>(op + X_SHARED) + place * xStride;
  const y = <usize>load<u32>(op + TO) + place * load<u32>(op + TO_STRIDE);
  multiplyRows(op, <usize>expert * load<u32>(op + PART_BYTES), first, min(per, groups - first), rows, x, xStride, y, scratch);
}

export function combineRow(op: usize, token: i32): void {
  const used = <usize>load<u32>(op + USED), first = (<usize>token * used) << 2;
  const places = <usize>load<u32>(PLACES) + first, shares = <usize>load<u32>(SHARES) + first;
  const from = <usize>load<u32>(op + FROM), stride = <usize>load<u32>(op + FROM_STRIDE);
  const to = <usize>load<u32>(op + TO) + <usize>token * load<u32>(op + TO_STRIDE);
  const end = <usize>load<u32>(op + WIDTH) << 2;
  for (let slot: usize = 0; slot < used << 2; slot += 4) {
    const share = v128.load32_splat(shares + slot), x = from + <usize>load<u32>(places + slot) * stride;
    for (let d: usize = 0; d < end; d += 16) v128.store(to + d, madd(share, v128.load(x + d), v128.load(to + d)));
  }
}
