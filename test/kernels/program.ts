/** Programs of a few op records, walked by one thread. */
import * as C from '../../src/kernels/control.ts';
import * as R from '../../src/kernels/record.ts';
import type { Machine } from './machine.ts';

export interface Op {
  opcode: number;
  flags?: number;
  /** By offset in the record. */
  words?: Record<number, number>;
  floats?: Record<number, number>;
}

export interface Step {
  tokens: number;
  outputs?: number;
  /** Only cuts the work in other chunks: one thread does them all. */
  threads?: number;
  scratch?: number;
  /** Addresses. */
  tokenIds?: number;
  positions?: number;
  pageTables?: number;
  outputRows?: number;
  ropes?: [number, number];
  kvBase?: number;
  /** Tables of who goes through which expert. */
  routing?: { chosen: number; shares: number; places: number; active: number };
  kvPageBytes?: number;
}

/** Room for a single row's activations, in all forms, before the scratch. */
export const PRIVATE_X = 32768;

let epoch = 0;

/** Every op ends with a barrier, so it counts its chunks on its own record. */
export function run(machine: Machine, ops: Op[], step: Step): void {
  const { kernels } = machine;
  const records = machine.alloc(ops.length * R.RECORD_BYTES, 0);
  const tickets = machine.alloc(ops.length * 16, 0);
  const scratch = step.scratch ?? 65536;
  const region = machine.alloc(PRIVATE_X + scratch);
  const view = machine.view();
  const word = (at: number, value: number) => view.setUint32(at, value, true);
  for (const [i, op] of ops.entries()) {
    const at = records + i * R.RECORD_BYTES;
    word(at + R.OPCODE, op.opcode);
    word(at + R.FLAGS, (op.flags ?? 0) | R.BARRIER);
    word(at + R.GROUP, i);
    for (const [offset, value] of Object.entries(op.words ?? {})) word(at + Number(offset), value);
    for (const [offset, value] of Object.entries(op.floats ?? {}))
      view.setFloat32(at + Number(offset), value, true);
  }
  machine.u8(C.CONTROL, 1024).fill(0);
  word(C.THREADS, step.threads ?? 1);
  word(C.OPS, ops.length);
  word(C.PROGRAM, records);
  word(C.TICKETS, tickets);
  word(C.PRIVATE, region);
  word(C.PRIVATE_BYTES, PRIVATE_X + scratch);
  word(C.SCRATCH_OFFSET, PRIVATE_X);
  word(C.KV_BASE, step.kvBase ?? 0);
  word(C.KV_PAGE_BYTES, step.kvPageBytes ?? 0);
  word(C.TOKENS, step.tokens);
  word(C.OUTPUTS, step.outputs ?? 0);
  word(C.TOKEN_IDS, step.tokenIds ?? 0);
  word(C.POSITIONS, step.positions ?? 0);
  word(C.PAGE_TABLES, step.pageTables ?? 0);
  word(C.OUTPUT_ROWS, step.outputRows ?? 0);
  word(C.ROPE_TABLES, step.ropes?.[0] ?? 0);
  word(C.ROPE_TABLES + 4, step.ropes?.[1] ?? 0);
  word(C.CHOSEN, step.routing?.chosen ?? 0);
  word(C.SHARES, step.routing?.shares ?? 0);
  word(C.PLACES, step.routing?.places ?? 0);
  word(C.ACTIVE, step.routing?.active ?? 0);
  kernels.begin(++epoch, ops.length);
  if (!kernels.walk(0, epoch)) throw new Error('the walk was given up');
  machine.checkFences();
}

const UNTOUCHED = 0x3c;

/** Rows of f32 with `gap` bytes between them. */
export interface Rows {
  at: number;
  stride: number;
  width: number;
  count: number;
}

export function putRows(machine: Machine, rows: ArrayLike<number>[], gap = 64): Rows {
  const width = rows[0]!.length;
  const stride = width * 4 + gap;
  const at = machine.alloc(stride * rows.length, UNTOUCHED);
  for (const [i, row] of rows.entries()) machine.f32(at + i * stride, width).set(row);
  return { at, stride, width, count: rows.length };
}

export function emptyRows(machine: Machine, count: number, width: number, value = NaN): Rows {
  return putRows(
    machine,
    Array.from({ length: count }, () => new Float32Array(width).fill(value)),
  );
}

/** The rows; throws where something was written between two of them. */
export function getRows(machine: Machine, rows: Rows): Float32Array[] {
  return Array.from({ length: rows.count }, (_, i) => {
    const at = rows.at + i * rows.stride;
    const gap = machine.u8(at + rows.width * 4, rows.stride - rows.width * 4);
    if (!gap.every((byte) => byte === UNTOUCHED)) throw new Error(`something was written behind row ${i}`);
    return machine.f32(at, rows.width).slice();
  });
}
