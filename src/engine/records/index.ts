/** Writes a segment's program as op records and its control block: the last step of compiling a model. */
import * as C from '../../kernels/control.ts';
import * as R from '../../kernels/record.ts';
import type { KernelExports } from '../../kernels/exports.ts';
import type { ModelSpec } from '../architectures/types.ts';
import type { LayoutOptions, SegmentLayout } from '../layout/types.ts';
import type { Op } from '../program.ts';
import { writeAttend, writeRotate, writeStore } from './attention.ts';
import { writeCombine, writeDispatch, writeExpertMatmul, writeRoute, writeSort } from './experts.ts';
import { writeHeadMatmul, writeLatent } from './latent.ts';
import { writeActivate, writeLinear, writeMatmul, writeSettle } from './matmul.ts';
import { writeAdd, writeEmbed, writeGate, writeGather, writeNorm, writeShare } from './rows.ts';
import { RecordWriter } from './writer.ts';

/**
 * Fills the memory of a segment below its weights. Kernel numbers come from the instantiated module; `linear` is the
 * table index of the kernel from outside, where there is one.
 */
export function writeSegment(
  memory: WebAssembly.Memory,
  kernels: KernelExports,
  spec: ModelSpec,
  layout: SegmentLayout,
  options: LayoutOptions,
  linear: number,
): void {
  const view = new DataView(memory.buffer);
  writeControl(view, layout, options);
  const { ops } = layout.program;
  ops.forEach((op, index) => {
    const at = layout.records + index * R.RECORD_BYTES;
    const record = new RecordWriter({ view, at, kernels, spec, layout, options, linear });
    let group = index;
    while (!hasBarrier(ops[group]!)) group++;
    record.u32(R.GROUP, group);
    record.u32(R.FLAGS, writeOp(record, op, index) | (hasBarrier(op) ? R.BARRIER : 0));
  });
}

function writeControl(view: DataView, layout: SegmentLayout, { threads }: LayoutOptions): void {
  const u32 = (address: number, value: number) => view.setUint32(address, value, true);
  u32(C.THREADS, threads);
  u32(C.OPS, layout.program.usual);
  u32(C.PROGRAM, layout.records);
  u32(C.TICKETS, layout.tickets);
  u32(C.PRIVATE, layout.private.address);
  u32(C.PRIVATE_BYTES, layout.private.bytes);
  u32(C.SCRATCH_OFFSET, layout.private.scratch);
  u32(C.KV_BASE, layout.kv.address);
  u32(C.KV_PAGE_BYTES, layout.kv.pageBytes);
  u32(C.PROFILE, layout.profile);
  u32(C.HIDDEN, layout.buffers.get('hidden')!.address);
  u32(C.TOKEN_IDS, layout.inputs.tokenIds);
  u32(C.POSITIONS, layout.inputs.positions);
  u32(C.PAGE_TABLES, layout.inputs.pageTables);
  u32(C.OUTPUT_ROWS, layout.inputs.outputRows);
  u32(C.CHOSEN, layout.routing.chosen);
  u32(C.SHARES, layout.routing.shares);
  u32(C.PLACES, layout.routing.places);
  u32(C.ACTIVE, layout.routing.active);
  layout.inputs.ropes.forEach((address, i) => u32(C.ROPE_TABLES + 4 * i, address));
}

function hasBarrier(op: Op): boolean {
  return !('barrier' in op) || op.barrier;
}

/** Writes the words of an op; returns its flags. */
function writeOp(record: RecordWriter, op: Op, index: number): number {
  switch (op.kind) {
    case 'receive':
      record.u32(R.OPCODE, R.OP_RECEIVE);
      return 0;
    case 'embed':
      return writeEmbed(record, op);
    case 'activate':
      return writeActivate(record, op, index);
    case 'matmul':
      return writeMatmul(record, op);
    case 'linear':
      return writeLinear(record, op);
    case 'settle':
      return writeSettle(record, op);
    case 'route':
      return writeRoute(record, op, index);
    case 'sort':
      return writeSort(record, op, index);
    case 'dispatch':
      return writeDispatch(record, op);
    case 'expertMatmul':
      return writeExpertMatmul(record, op);
    case 'combine':
      return writeCombine(record, op);
    case 'headMatmul':
      return writeHeadMatmul(record, op);
    case 'latent':
      return writeLatent(record, op);
    case 'rotate':
      return writeRotate(record, op);
    case 'store':
      return writeStore(record, op);
    case 'attend':
      return writeAttend(record, op);
    case 'share':
      return writeShare(record, op);
    case 'gate':
      return writeGate(record, op);
    case 'norm':
    case 'addNorm':
      return writeNorm(record, op);
    case 'add':
      return writeAdd(record, op);
    case 'gather':
      return writeGather(record, op);
  }
}
