/** Records of latent attention: HEADS, a matmul per head, and LATENT, which fills queries and cache. */
import { activationBytes } from '../../kernels/formats.ts';
import * as R from '../../kernels/record.ts';
import { partBytes } from '../layout/weights.ts';
import { neoxFlag, writeHeads } from './attention.ts';
import type { OpOf, RecordWriter } from './writer.ts';

export function writeHeadMatmul(record: RecordWriter, op: OpOf<'headMatmul'>): number {
  const { weight } = op;
  record.matmul(R.OP_HEADS, op);
  const slot = record.slot(weight);
  record.u32(R.X_SHARED, slot.shared);
  record.u32(R.X_PRIVATE, slot.private);
  record.u32(R.X_STRIDE, slot.stride);
  record.u32(R.START, R.START_ZERO);
  record.u32(R.PART_BYTES, partBytes(weight));
  record.u32(R.PARTS, op.heads);
  record.u32(R.X_STEP, activationBytes(slot.form, op.from));
  record.u32(R.TO_STEP, op.step * 4);
  return record.exact(weight);
}

export function writeLatent(record: RecordWriter, op: OpOf<'latent'>): number {
  record.u32(R.OPCODE, R.OP_LATENT);
  writeHeads(record, op);
  record.from('query');
  record.to('latentQuery');
  record.buffer('key', R.K_FROM, R.K_STRIDE);
  record.u32(R.QUERY_WIDTH, op.latent.plain + op.latent.rotary);
  record.u32(R.ROTARY, op.latent.rotary);
  record.u32(R.ROPE_TABLE, op.layer.rope ?? 0);
  record.u32(R.K_NORM, record.address(op.kNorm));
  record.f32(R.HEAD_EPSILON, record.spec.epsilon);
  return neoxFlag(record);
}
