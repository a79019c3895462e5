/** Records of dense matmuls: ACTIVATE, which prepares the rows, MATMUL, and LINEAR and SETTLE of kernels from outside. */
import type { ActivationForm } from '../../kernels/formats.ts';
import * as R from '../../kernels/record.ts';
import { outputFlag, type OpOf, type RecordWriter } from './writer.ts';

/** Byte offsets of a form's words in an ACTIVATE record. */
const FORM_WORDS: Record<ActivationForm, [shared: number, priv: number, stride: number]> = {
  int8: [R.X8_SHARED, R.X8_PRIVATE, R.X8_STRIDE],
  int16: [R.X16_SHARED, R.X16_PRIVATE, R.X16_STRIDE],
  static: [R.XS_SHARED, R.XS_PRIVATE, R.XS_STRIDE],
  f32: [R.X32_SHARED, R.X32_PRIVATE, R.X32_STRIDE],
};

export function writeActivate(record: RecordWriter, op: OpOf<'activate'>, index: number): number {
  const { layout } = record;
  record.u32(R.OPCODE, R.OP_ACTIVATE);
  record.from(op.from);
  record.norm(op.norm, op.width);
  for (const form of op.forms) {
    const [shared, priv, stride] = FORM_WORDS[form];
    const slot = (op.experts ? layout.pairSlots : layout.slots).get(form)!;
    record.u32(shared, slot.shared);
    record.u32(stride, record.rowStride(slot, form, op.width));
    record.u32(priv, slot.private);
  }
  record.f32(R.INPUT_SCALE, op.inputScale ?? 0);
  record.u32(R.OBSERVED, layout.observed.get(index) ?? 0);
  return outputFlag(op) | record.pairs(op.experts);
}

export function writeMatmul(record: RecordWriter, op: OpOf<'matmul'>): number {
  const { weight } = op;
  record.matmul(R.OP_MATMUL, op);
  const slot = record.slot(weight);
  record.u32(R.X_SHARED, slot.shared);
  record.u32(R.X_PRIVATE, slot.private);
  record.u32(R.X_STRIDE, record.rowStride(slot, slot.form, weight.columns));
  record.u32(R.UP_WEIGHTS, record.address(op.up));
  record.f32(R.SUM_SCALE, op.scale?.value ?? 0);
  record.u32(R.ROW_SCALES, record.address(op.scale?.rows));
  if (op.peaks) record.buffer('peaks', R.PEAKS, R.PEAKS_STRIDE);
  return writeResult(record, op) | record.exact(weight) | (op.scale ? R.SCALED : 0);
}

/** Rows without gaps: a kernel from outside knows no other stride. */
export function writeLinear(record: RecordWriter, op: OpOf<'linear'>): number {
  const { weight } = op;
  record.u32(R.OPCODE, R.OP_LINEAR);
  record.u32(R.TO, record.layout.buffers.get('linear')!.address);
  record.u32(R.WIDTH, weight.columns);
  record.u32(R.WEIGHTS, record.address(weight));
  record.u32(R.ROW_GROUPS, weight.rows / 8);
  record.u32(R.UNITS, op.workers === 'all' ? record.options.threads : 1);
  record.u32(R.GEMV, record.linear);
  const slot = record.slot(weight);
  record.u32(R.X_SHARED, slot.shared);
  record.u32(R.X_PRIVATE, slot.private);
  return outputFlag(op);
}

export function writeSettle(record: RecordWriter, op: OpOf<'settle'>): number {
  record.u32(R.OPCODE, R.OP_SETTLE);
  record.to(op.to);
  record.u32(R.FROM, record.layout.buffers.get('linear')!.address);
  record.u32(R.FROM_STRIDE, op.rows * 4);
  record.u32(R.ROW_GROUPS, op.rows / 8);
  return writeResult(record, op);
}

/** How the sums of a matmul start, and what they go through. */
function writeResult(record: RecordWriter, op: OpOf<'matmul' | 'settle'>): number {
  const start = op.add ? (op.bias ? R.START_ADD_BIAS : R.START_ADD) : op.bias ? R.START_BIAS : R.START_ZERO;
  record.u32(R.START, start);
  record.u32(R.BIAS, record.address(op.bias));
  record.activation(op.act);
  if (op.softcap) record.u32(R.ACTIVATION, R.ACT_SOFTCAP);
  record.f32(R.SCALE, op.softcap ?? 0);
  const acted = op.act !== undefined || op.softcap !== undefined;
  return outputFlag(op) | (acted ? R.ACTED : 0);
}
