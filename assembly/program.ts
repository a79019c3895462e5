/**
 * The op loop. Every worker of a segment walks the same program; see sync.ts for how they share its chunks.
 */
import {
  OPS, OUTPUTS, PRIVATE, PRIVATE_BYTES, PROFILE, PROGRAM, SCRATCH_OFFSET, THREADS, TOKENS,
} from './control';
import { activateRow, addNormRow, addRow, normOp } from './ops/activate';
import { attendChunk, attendChunks } from './ops/attend';
import { embedRow, gatherRow } from './ops/embed';
import { combineRow, dispatchRow, expertChunk, expertChunks } from './ops/experts';
import { headsChunk, headsChunks, latentRow } from './ops/latent';
import { linearChunk } from './ops/linear';
import { gateRow, matmulChunk, matmulChunks, settleRow, shareRow } from './ops/matmul';
import { rotateChunk, rotateChunks, storeChunk } from './ops/rotate';
import { routeRow, sortPairs } from './ops/route';
import {
  BARRIER, FLAGS, GROUP, OBSERVED, ON_OUTPUTS, ON_PAIRS, OPCODE, OP_ACTIVATE, OP_ADD, OP_ADD_NORM, OP_ATTEND, OP_COMBINE,
  OP_DISPATCH, OP_EMBED, OP_EXPERTS, OP_GATE, OP_GATHER, OP_HEADS, OP_LATENT, OP_LINEAR, OP_MATMUL, OP_NORM, OP_RECEIVE,
  OP_ROTATE,
  OP_ROUTE, OP_SETTLE, OP_SHARE, OP_SORT, OP_STORE, RECORD_BYTES, UNITS, USED,
} from './record';
import { NONE, STALE, finish, take, wait } from './sync';

// @ts-ignore: decorator
@external('env', 'now')
declare function now(): f64;

/** How many chunks an op has for this many rows. */
function chunksOf(op: usize, opcode: u32, rows: i32): i32 {
  if (rows == 0) return 0;
  if (opcode == OP_MATMUL) return matmulChunks(op, rows);
  if (opcode == OP_ROTATE || opcode == OP_STORE) return rotateChunks(op, rows);
  if (opcode == OP_ATTEND) return attendChunks(op, rows);
  if (opcode == OP_EXPERTS) return expertChunks(op, rows);
  if (opcode == OP_HEADS) return headsChunks(op, rows);
  if (opcode == OP_LINEAR) return load<i32>(op + UNITS);
  // A single token is sorted where it is routed, and its experts all read its own row.
  if (opcode == OP_SORT) return rows > 1 ? 1 : 0;
  if (opcode == OP_DISPATCH) return rows > 1 ? rows : 0;
  // The hidden state comes from the segment before, in one piece, moved by JavaScript.
  if (opcode == OP_RECEIVE) return 1;
  return rows;
}

function run(op: usize, opcode: u32, chunk: i32, rows: i32, region: usize, scratch: usize): void {
  if (opcode == OP_MATMUL) matmulChunk(op, chunk, rows, region, scratch);
  else if (opcode == OP_ATTEND) attendChunk(op, chunk, rows, scratch);
  else if (opcode == OP_ROTATE) rotateChunk(op, chunk, rows);
  else if (opcode == OP_ACTIVATE) activateRow(op, chunk, 0, scratch);
  else if (opcode == OP_ADD_NORM) addNormRow(op, chunk, scratch);
  else if (opcode == OP_EMBED) embedRow(op, chunk, scratch);
  else if (opcode == OP_GATHER) gatherRow(op, chunk);
  else if (opcode == OP_GATE) gateRow(op, chunk);
  else if (opcode == OP_NORM) normOp(op, chunk);
  else if (opcode == OP_ADD) addRow(op, chunk);
  else if (opcode == OP_STORE) storeChunk(op, chunk, rows);
  else if (opcode == OP_EXPERTS) expertChunk(op, chunk, rows, region, scratch);
  else if (opcode == OP_ROUTE) routeRow(op, chunk, rows, scratch);
  else if (opcode == OP_SORT) sortPairs(op, rows, scratch);
  else if (opcode == OP_DISPATCH) dispatchRow(op, chunk);
  else if (opcode == OP_COMBINE) combineRow(op, chunk);
  else if (opcode == OP_HEADS) headsChunk(op, chunk, rows, region, scratch);
  else if (opcode == OP_LATENT) latentRow(op, chunk);
  else if (opcode == OP_LINEAR) linearChunk(op, chunk, rows, region, scratch);
  else if (opcode == OP_SETTLE) settleRow(op, chunk);
  else if (opcode == OP_SHARE) shareRow(op, chunk);
}

/** Does this worker's part of step `epoch`. True when all of it is done; false when it is over or broken. */
export function walk(worker: i32, epoch: i32): bool {
  const ops = load<i32>(OPS);
  const region = <usize>load<u32>(PRIVATE) + <usize>worker * load<u32>(PRIVATE_BYTES);
  const scratch = region + load<u32>(SCRATCH_OFFSET);
  const profile = <usize>load<u32>(PROFILE);
  let op = <usize>load<u32>(PROGRAM);
  let chunksInGroup = 0;
  for (let i = 0; i < ops; i++, op += RECORD_BYTES) {
    const opcode = load<u32>(op + OPCODE), flags = load<u32>(op + FLAGS);
    // Atomic: who sees the counts of the next step also sees its tickets, and takes none.
    let rows = atomic.load<i32>(flags & ON_OUTPUTS ? OUTPUTS : TOKENS);
    // Each worker prepares a single row for itself: cheaper than meeting at a barrier. Only where it is looked at, one of
    // them does it for all to see as well: a latecomer may read what later ops have written already.
    const alone = opcode == OP_ACTIVATE && rows == 1 && !(flags & ON_PAIRS);
    const met = !alone || load<u32>(op + OBSERVED) != 0;
    if (flags & ON_PAIRS) rows *= load<i32>(op + USED);
    const start: f64 = profile ? now() : 0;
    if (alone) activateRow(op, 0, region, scratch);
    if (met) {
      const chunks = chunksOf(op, opcode, rows), group = load<i32>(op + GROUP);
      chunksInGroup += chunks;
      while (opcode != OP_RECEIVE) {
        const chunk = take(i, epoch, chunks);
        if (chunk == NONE) break;
        if (chunk == STALE) return false;
        run(op, opcode, chunk, rows, region, scratch);
        finish(group);
      }
    }
    const worked: f64 = profile ? now() : 0;
    if ((flags & BARRIER) && met) {
      if (!wait(i, epoch, chunksInGroup)) return false;
      chunksInGroup = 0;
    }
    if (profile) {
      // Per op and worker: time at work, then time at the barrier.
      const slot = profile + (<usize>(i * load<i32>(THREADS) + worker) << 4);
      store<f64>(slot, load<f64>(slot) + (worked - start));
      store<f64>(slot, load<f64>(slot, 8) + (now() - worked), 8);
    }
  }
  return true;
}
