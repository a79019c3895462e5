/** Records of ops that go through rows value by value: EMBED, NORM, ADD, GATE, SHARE, GATHER. */
import * as R from '../../kernels/record.ts';
import { padded } from '../layout/buffers.ts';
import { outputFlag, type OpOf, type RecordWriter } from './writer.ts';

const ROWS_BY = { token: R.BY_TOKEN, position: R.BY_POSITION, zero: R.BY_ZERO } as const;

export function writeEmbed(record: RecordWriter, op: OpOf<'embed'>): number {
  record.u32(R.OPCODE, R.OP_EMBED);
  record.to(op.to);
  record.u32(R.WIDTH, op.weight.columns);
  record.f32(R.SCALE, op.scale);
  record.u32(R.ROWS_BY, ROWS_BY[op.by]);
  record.u32(R.START, op.by === 'token' ? R.START_ZERO : R.START_ADD);
  record.weight(op.weight);
  return 0;
}

export function writeNorm(record: RecordWriter, op: OpOf<'norm' | 'addNorm'>): number {
  record.u32(R.OPCODE, op.kind === 'norm' ? R.OP_NORM : R.OP_ADD_NORM);
  record.from(op.from);
  record.to(op.to);
  record.norm(op.norm, record.spec.width);
  return outputFlag(op);
}

export function writeAdd(record: RecordWriter, op: OpOf<'add'>): number {
  record.u32(R.OPCODE, R.OP_ADD);
  record.from(op.from);
  record.to(op.to);
  record.u32(R.WIDTH, record.spec.width);
  return 0;
}

export function writeGate(record: RecordWriter, op: OpOf<'gate'>): number {
  record.u32(R.OPCODE, R.OP_GATE);
  record.from(op.from);
  record.to(op.to);
  record.u32(R.WIDTH, padded(op.width));
  record.activation();
  return record.pairs(op.experts);
}

export function writeShare(record: RecordWriter, op: OpOf<'share'>): number {
  record.u32(R.OPCODE, R.OP_SHARE);
  record.from('share');
  record.to(op.to);
  record.u32(R.WIDTH, padded(op.width));
  return 0;
}

export function writeGather(record: RecordWriter, op: OpOf<'gather'>): number {
  record.u32(R.OPCODE, R.OP_GATHER);
  record.from(op.from);
  record.to(op.to);
  record.u32(R.WIDTH, record.spec.width);
  return R.ON_OUTPUTS;
}
