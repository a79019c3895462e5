/** Records of mixtures of experts: ROUTE, SORT and DISPATCH, EXPERTS, COMBINE. */
import { activationBytes } from '../../kernels/formats.ts';
import * as R from '../../kernels/record.ts';
import { partBytes } from '../layout/weights.ts';
import { formOf } from '../weights.ts';
import type { OpOf, RecordWriter } from './writer.ts';

export function writeRoute(record: RecordWriter, { experts, bias }: OpOf<'route'>, index: number): number {
  record.u32(R.OPCODE, R.OP_ROUTE);
  record.from('router');
  record.u32(R.WIDTH, experts.count);
  record.u32(R.USED, experts.used);
  record.u32(R.SCORING, experts.scoring === 'sigmoid' ? R.SCORE_SIGMOID : R.SCORE_SOFTMAX);
  record.u32(R.NORMALIZE, Number(experts.normalized));
  record.u32(R.EXPERT_GROUPS, experts.groups);
  record.u32(R.GROUPS_USED, experts.groupsUsed);
  record.u32(R.BIAS, record.address(bias));
  record.f32(R.SCALE, experts.scale);
  record.u32(R.OBSERVED, record.layout.observed.get(index) ?? 0);
  return 0;
}

export function writeSort(record: RecordWriter, { experts }: OpOf<'sort'>, index: number): number {
  record.u32(R.OPCODE, R.OP_SORT);
  record.u32(R.WIDTH, experts.count);
  record.u32(R.USED, experts.used);
  record.u32(R.OBSERVED, record.layout.observed.get(index) ?? 0);
  return 0;
}

export function writeDispatch(record: RecordWriter, op: OpOf<'dispatch'>): number {
  const from = record.layout.slots.get(op.form)!,
    to = record.layout.pairSlots.get(op.form)!;
  record.u32(R.OPCODE, R.OP_DISPATCH);
  record.u32(R.FROM, from.shared);
  record.u32(R.FROM_STRIDE, from.stride);
  record.u32(R.TO, to.shared);
  record.u32(R.TO_STRIDE, to.stride);
  record.u32(R.WIDTH, activationBytes(op.form, op.width));
  record.u32(R.USED, op.experts.used);
  return 0;
}

export function writeExpertMatmul(record: RecordWriter, op: OpOf<'expertMatmul'>): number {
  const { weight } = op;
  record.matmul(R.OP_EXPERTS, op);
  const pairs = record.layout.pairSlots.get(formOf(weight, record.options.exact))!;
  record.u32(R.X_SHARED, pairs.shared);
  record.u32(R.X_STRIDE, pairs.stride);
  if (!op.fromPairs) record.u32(R.X_PRIVATE, record.slot(weight).private);
  record.u32(R.START, R.START_ZERO);
  record.u32(R.UP_WEIGHTS, record.address(op.up));
  record.activation();
  record.u32(R.PART_BYTES, partBytes(weight));
  record.u32(R.PARTS, op.experts.count);
  record.u32(R.USED, op.experts.used);
  return record.exact(weight) | (op.fromPairs ? 0 : R.ONE_ROW);
}

export function writeCombine(record: RecordWriter, { experts }: OpOf<'combine'>): number {
  record.u32(R.OPCODE, R.OP_COMBINE);
  record.from('expertOutput');
  record.to('hidden');
  record.u32(R.WIDTH, record.spec.width);
  record.u32(R.USED, experts.used);
  return 0;
}
