/** Records of attention: ROTATE and STORE of new keys and values, ATTEND. */
import * as R from '../../kernels/record.ts';
import { KV_CODES } from '../layout/pages.ts';
import type { OpOf, RecordWriter } from './writer.ts';

export function writeRotate(record: RecordWriter, op: OpOf<'rotate'>): number {
  const { spec } = record;
  record.u32(R.OPCODE, R.OP_ROTATE);
  writeEntries(record, op);
  if (op.apart) record.u32(R.KV_TYPE, R.KV_NONE);
  const { rope } = op.layer;
  record.u32(R.ROTARY, rope === undefined ? 0 : spec.ropes[rope]!.rotary);
  record.u32(R.ROPE_TABLE, rope ?? 0);
  record.u32(R.Q_NORM, record.address(op.qNorm));
  record.u32(R.K_NORM, record.address(op.kNorm));
  record.f32(R.HEAD_EPSILON, spec.epsilon);
  return neoxFlag(record);
}

export function writeStore(record: RecordWriter, op: OpOf<'store'>): number {
  record.u32(R.OPCODE, R.OP_STORE);
  writeEntries(record, op);
  return 0;
}

export function writeAttend(record: RecordWriter, op: OpOf<'attend'>): number {
  const { latent, architecture, softmaxScale, attentionSoftcap } = record.spec;
  const { int8 } = op;
  record.u32(R.OPCODE, R.OP_ATTEND);
  writeHeads(record, op);
  record.from(latent ? 'latentQuery' : 'query');
  record.to(latent ? 'latentOutput' : 'attention');
  record.u32(R.WINDOW, op.layer.window);
  record.f32(R.SOFTMAX_SCALE, int8?.scores ?? softmaxScale);
  record.f32(R.OUTPUT_SCALE, int8?.values ?? 0);
  record.f32(R.SOFTCAP, attentionSoftcap);
  return (latent ? R.LATENT : 0) | (int8 ? R.INT8 : 0) | (architecture.encoder ? R.BIDIRECTIONAL : 0);
}

/** The new keys and values, and their place in the cache. */
function writeEntries(record: RecordWriter, op: OpOf<'rotate' | 'store'>): void {
  writeHeads(record, op);
  record.from('query');
  record.buffer('key', R.K_FROM, R.K_STRIDE);
  record.buffer('value', R.V_FROM, R.V_STRIDE);
}

/** The shape of a layer's heads, and where their cache lies in a page. */
export function writeHeads(record: RecordWriter, op: OpOf<'rotate' | 'store' | 'attend' | 'latent'>): void {
  const { layer } = op;
  const { kvType } = record.options;
  const pages = record.layout.kv.layers.get(layer.index)!;
  record.u32(R.HEADS, layer.heads);
  record.u32(R.KV_HEADS, layer.kvHeads);
  record.u32(R.HEAD_WIDTH, record.spec.headWidth);
  record.u32(R.VALUE_WIDTH, record.spec.valueWidth);
  record.u32(R.K_CACHE, pages.keys);
  record.u32(R.V_CACHE, pages.values);
  // Whole numbers are kept as they are: q8_0 loses nothing then.
  const whole = kvType === 'q8_0' && 'int8' in op && op.int8;
  record.u32(R.KV_TYPE, whole ? R.KV_INT8 : KV_CODES[kvType]);
}

/** The flag of rotations that pair channel i with i + rotary / 2. */
export function neoxFlag({ spec }: RecordWriter): number {
  return spec.architecture.rope === 'neox' ? R.NEOX : 0;
}
