/** Writes a segment's program as op records and its control block: the last step of compiling a model. */
import * as C from '../kernels/control.ts';
import * as R from '../kernels/record.ts';
import { DEQUANTIZE_KERNEL, GEMM_KERNEL, GEMV_KERNEL, type KernelExports } from '../kernels/exports.ts';
import { activationBytes, groupBytes, units, type ActivationForm } from '../kernels/formats.ts';
import type { Activation, ExpertSpec, ModelSpec } from './architectures/types.ts';
import {
  activationSlot,
  KV_CODES,
  padded,
  partBytes,
  type ActivationSlot,
  type LayoutOptions,
  type SegmentLayout,
} from './layout.ts';
import type { Buffer, Op } from './program.ts';
import { formOf, type Norm, type Weight } from './weights.ts';

/** Byte offsets of a form's words in an ACTIVATE record. */
const FORM_WORDS: Record<ActivationForm, [shared: number, priv: number, stride: number]> = {
  int8: [R.X8_SHARED, R.X8_PRIVATE, R.X8_STRIDE],
  int16: [R.X16_SHARED, R.X16_PRIVATE, R.X16_STRIDE],
  f32: [R.X32_SHARED, R.X32_PRIVATE, R.X32_STRIDE],
};

const ROWS_BY = { token: R.BY_TOKEN, position: R.BY_POSITION, zero: R.BY_ZERO } as const;

const ACTIVATIONS: Record<Activation, number> = {
  silu: R.ACT_SILU,
  gelu: R.ACT_GELU,
  'gelu-erf': R.ACT_GELU_ERF,
  relu: R.ACT_RELU,
  tanh: R.ACT_TANH,
};

/** Fills the memory of a segment below its weights. Kernel numbers come from the instantiated module. */
export function writeSegment(
  memory: WebAssembly.Memory,
  kernels: KernelExports,
  spec: ModelSpec,
  layout: SegmentLayout,
  options: LayoutOptions,
  linear: number,
): void {
  const view = new DataView(memory.buffer);
  const u32 = (address: number, value: number) => view.setUint32(address, value, true);
  u32(C.THREADS, options.threads);
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

  const { ops } = layout.program;
  ops.forEach((op, index) => {
    const writer = new RecordWriter(
      view,
      layout.records + index * R.RECORD_BYTES,
      kernels,
      spec,
      layout,
      options,
      linear,
    );
    let group = index;
    while (!hasBarrier(ops[group]!)) group++;
    writer.write(op, index, group);
  });
}

function hasBarrier(op: Op): boolean {
  return !('barrier' in op) || op.barrier;
}

class RecordWriter {
  private readonly view: DataView;
  private readonly at: number;
  private readonly kernels: KernelExports;
  private readonly spec: ModelSpec;
  private readonly layout: SegmentLayout;
  private readonly options: LayoutOptions;
  /** Table index of the kernel from outside, where there is one. */
  private readonly linearIndex: number;

  constructor(
    view: DataView,
    at: number,
    kernels: KernelExports,
    spec: ModelSpec,
    layout: SegmentLayout,
    options: LayoutOptions,
    linearIndex: number,
  ) {
    this.view = view;
    this.at = at;
    this.kernels = kernels;
    this.spec = spec;
    this.layout = layout;
    this.options = options;
    this.linearIndex = linearIndex;
  }

  private u32(word: number, value: number): void {
    this.view.setUint32(this.at + word, value, true);
  }

  private f32(word: number, value: number): void {
    this.view.setFloat32(this.at + word, value, true);
  }

  private buffer(name: Buffer, address: number, stride: number): void {
    const buffer = this.layout.buffers.get(name)!;
    this.u32(address, buffer.address);
    this.u32(stride, buffer.stride);
  }

  private address(weight: Weight | undefined): number {
    return weight ? this.layout.weights.get(weight.key)! : 0;
  }

  write(op: Op, index: number, group: number): void {
    this.u32(R.GROUP, group);
    let flags = hasBarrier(op) ? R.BARRIER : 0;
    switch (op.kind) {
      case 'receive':
        this.u32(R.OPCODE, R.OP_RECEIVE);
        break;
      case 'embed':
        this.u32(R.OPCODE, R.OP_EMBED);
        this.buffer(op.to, R.TO, R.TO_STRIDE);
        this.u32(R.WIDTH, op.weight.columns);
        this.f32(R.SCALE, op.scale);
        this.u32(R.ROWS_BY, ROWS_BY[op.by]);
        this.u32(R.START, op.by === 'token' ? R.START_ZERO : R.START_ADD);
        this.weight(op.weight);
        break;
      case 'activate':
        this.activate(op);
        this.u32(R.OBSERVED, this.layout.observed.get(index) ?? 0);
        if (op.onOutputs) flags |= R.ON_OUTPUTS;
        flags |= this.pairs(op.experts);
        break;
      case 'matmul':
        this.matmul(op);
        if (op.onOutputs) flags |= R.ON_OUTPUTS;
        if (op.act !== undefined || op.softcap !== undefined) flags |= R.ACTED;
        flags |= this.exactFlag(op.weight);
        break;
      case 'linear':
        this.linear(op);
        if (op.onOutputs) flags |= R.ON_OUTPUTS;
        break;
      case 'settle':
        this.settle(op);
        if (op.onOutputs) flags |= R.ON_OUTPUTS;
        if (op.act !== undefined || op.softcap !== undefined) flags |= R.ACTED;
        break;
      case 'expertMatmul':
        this.expertMatmul(op);
        flags |= this.exactFlag(op.weight) | (op.fromPairs ? 0 : R.ONE_ROW);
        break;
      case 'headMatmul':
        this.headMatmul(op);
        flags |= this.exactFlag(op.weight);
        break;
      case 'latent':
        this.latent(op);
        if (this.spec.architecture.rope === 'neox') flags |= R.NEOX;
        break;
      case 'route':
        this.route(op);
        break;
      case 'sort':
        this.u32(R.OPCODE, R.OP_SORT);
        this.u32(R.WIDTH, op.experts.count);
        this.u32(R.USED, op.experts.used);
        break;
      case 'dispatch':
        this.dispatch(op);
        break;
      case 'combine':
        this.u32(R.OPCODE, R.OP_COMBINE);
        this.buffer('expertOutput', R.FROM, R.FROM_STRIDE);
        this.buffer('hidden', R.TO, R.TO_STRIDE);
        this.u32(R.WIDTH, this.spec.width);
        this.u32(R.USED, op.experts.used);
        break;
      case 'gate':
        this.u32(R.OPCODE, R.OP_GATE);
        this.buffer(op.from, R.FROM, R.FROM_STRIDE);
        this.buffer(op.to, R.TO, R.TO_STRIDE);
        this.u32(R.WIDTH, padded(op.width));
        this.activation();
        flags |= this.pairs(op.experts);
        break;
      case 'rotate':
        this.rotate(op);
        if (this.spec.architecture.rope === 'neox') flags |= R.NEOX;
        break;
      case 'attend':
        this.attend(op);
        if (this.spec.latent) flags |= R.LATENT;
        if (this.spec.architecture.encoder) flags |= R.BIDIRECTIONAL;
        break;
      case 'norm':
      case 'addNorm':
        this.u32(R.OPCODE, op.kind === 'norm' ? R.OP_NORM : R.OP_ADD_NORM);
        this.buffer(op.from, R.FROM, R.FROM_STRIDE);
        this.buffer(op.to, R.TO, R.TO_STRIDE);
        this.norm(op.norm, this.spec.width);
        if (op.onOutputs) flags |= R.ON_OUTPUTS;
        break;
      case 'add':
        this.u32(R.OPCODE, R.OP_ADD);
        this.buffer(op.from, R.FROM, R.FROM_STRIDE);
        this.buffer(op.to, R.TO, R.TO_STRIDE);
        this.u32(R.WIDTH, this.spec.width);
        break;
      case 'store':
        this.u32(R.OPCODE, R.OP_STORE);
        this.entries(op);
        break;
      case 'gather':
        this.u32(R.OPCODE, R.OP_GATHER);
        this.buffer(op.from, R.FROM, R.FROM_STRIDE);
        this.buffer(op.to, R.TO, R.TO_STRIDE);
        this.u32(R.WIDTH, this.spec.width);
        flags |= R.ON_OUTPUTS;
        break;
    }
    this.u32(R.FLAGS, flags);
  }

  private exactFlag(weight: Weight): number {
    return this.options.exact && weight.format!.unitColumns > 1 ? R.EXACT : 0;
  }

  /** Rows are pairs, where there are experts. */
  private pairs(experts: ExpertSpec | undefined): number {
    if (!experts) return 0;
    this.u32(R.USED, experts.used);
    return R.ON_PAIRS;
  }

  private weight(weight: Weight): void {
    const format = weight.format!;
    const index = (kind: number) => this.kernels.kernelIndex(format.kernel, kind);
    this.u32(R.WEIGHTS, this.address(weight));
    this.u32(R.GROUP_BYTES, groupBytes(format, weight.columns));
    this.u32(R.ROW_GROUPS, Math.ceil(weight.rows / 8));
    this.u32(R.UNITS, units(format, weight.columns));
    this.u32(R.DEQUANTIZE, index(DEQUANTIZE_KERNEL));
    this.u32(R.GEMV, index(GEMV_KERNEL));
    this.u32(R.GEMM, index(GEMM_KERNEL));
  }

  private activation(activation: Activation = this.spec.architecture.activation): void {
    this.u32(R.ACTIVATION, ACTIVATIONS[activation]);
  }

  private norm(norm: Norm | undefined, width: number): void {
    const kind = this.spec.architecture.norm === 'layer' ? R.NORM_LAYER : R.NORM_RMS;
    this.u32(R.WIDTH, width);
    this.u32(R.NORM, norm ? kind : R.NORM_NONE);
    this.u32(R.NORM_WEIGHT, this.address(norm?.weight));
    this.u32(R.NORM_BIAS, this.address(norm?.bias));
    this.f32(R.EPSILON, this.spec.epsilon);
  }

  /** Bytes from one row of activations to the next. Kernels from outside know no gaps between rows. */
  private rowStride(slot: ActivationSlot, form: ActivationForm, width: number): number {
    return this.options.kernel ? activationBytes(form, width) : slot.stride;
  }

  private activate(op: Op & { kind: 'activate' }): void {
    this.u32(R.OPCODE, R.OP_ACTIVATE);
    this.buffer(op.from, R.FROM, R.FROM_STRIDE);
    this.norm(op.norm, op.width);
    for (const form of op.forms) {
      const [shared, priv, stride] = FORM_WORDS[form];
      const slot = op.experts ? this.layout.pairSlots.get(form)! : this.layout.slots.get(form)!;
      this.u32(shared, slot.shared);
      this.u32(stride, this.rowStride(slot, form, op.width));
      this.u32(priv, slot.private);
    }
  }

  private route({ experts, bias }: Op & { kind: 'route' }): void {
    this.u32(R.OPCODE, R.OP_ROUTE);
    this.buffer('router', R.FROM, R.FROM_STRIDE);
    this.u32(R.WIDTH, experts.count);
    this.u32(R.USED, experts.used);
    this.u32(R.SCORING, experts.scoring === 'sigmoid' ? R.SCORE_SIGMOID : R.SCORE_SOFTMAX);
    this.u32(R.NORMALIZE, Number(experts.normalized));
    this.u32(R.EXPERT_GROUPS, experts.groups);
    this.u32(R.GROUPS_USED, experts.groupsUsed);
    this.u32(R.BIAS, this.address(bias));
    this.f32(R.SCALE, experts.scale);
  }

  private dispatch(op: Op & { kind: 'dispatch' }): void {
    this.u32(R.OPCODE, R.OP_DISPATCH);
    const from = this.layout.slots.get(op.form)!,
      to = this.layout.pairSlots.get(op.form)!;
    this.u32(R.FROM, from.shared);
    this.u32(R.FROM_STRIDE, from.stride);
    this.u32(R.TO, to.shared);
    this.u32(R.TO_STRIDE, to.stride);
    this.u32(R.WIDTH, activationBytes(op.form, op.width));
    this.u32(R.USED, op.experts.used);
  }

  private expertMatmul(op: Op & { kind: 'expertMatmul' }): void {
    this.u32(R.OPCODE, R.OP_EXPERTS);
    this.buffer(op.to, R.TO, R.TO_STRIDE);
    this.u32(R.WIDTH, op.weight.columns);
    this.weight(op.weight);
    const form = formOf(op.weight, this.options.exact);
    const slot = this.layout.pairSlots.get(form)!;
    this.u32(R.X_SHARED, slot.shared);
    this.u32(R.X_STRIDE, slot.stride);
    if (!op.fromPairs) this.u32(R.X_PRIVATE, this.layout.slots.get(form)!.private);
    this.u32(R.START, R.START_ZERO);
    this.u32(R.UP_WEIGHTS, this.address(op.up));
    this.activation();
    this.u32(R.PART_BYTES, partBytes(op.weight));
    this.u32(R.PARTS, op.experts.count);
    this.u32(R.USED, op.experts.used);
  }

  private matmul(op: Op & { kind: 'matmul' }): void {
    this.u32(R.OPCODE, R.OP_MATMUL);
    this.buffer(op.to, R.TO, R.TO_STRIDE);
    this.u32(R.WIDTH, op.weight.columns);
    this.weight(op.weight);
    const slot = activationSlot(this.layout, op.weight, this.options.exact);
    this.u32(R.X_SHARED, slot.shared);
    this.u32(R.X_PRIVATE, slot.private);
    this.u32(R.X_STRIDE, this.rowStride(slot, formOf(op.weight, this.options.exact), op.weight.columns));
    this.result(op);
    this.u32(R.UP_WEIGHTS, this.address(op.up));
  }

  /** How the sums of a matmul start, and what they go through. */
  private result(op: Op & { kind: 'matmul' | 'settle' }): void {
    const start = op.add ? (op.bias ? R.START_ADD_BIAS : R.START_ADD) : op.bias ? R.START_BIAS : R.START_ZERO;
    this.u32(R.START, start);
    this.u32(R.BIAS, this.address(op.bias));
    this.activation(op.act);
    if (op.softcap) this.u32(R.ACTIVATION, R.ACT_SOFTCAP);
    this.f32(R.SCALE, op.softcap ?? 0);
  }

  /** Rows without gaps: a kernel from outside knows no other stride. */
  private linear(op: Op & { kind: 'linear' }): void {
    const { weight } = op;
    this.u32(R.OPCODE, R.OP_LINEAR);
    this.u32(R.TO, this.layout.buffers.get('linear')!.address);
    this.u32(R.WIDTH, weight.columns);
    this.u32(R.WEIGHTS, this.address(weight));
    this.u32(R.ROW_GROUPS, weight.rows / 8);
    this.u32(R.UNITS, op.workers === 'all' ? this.options.threads : 1);
    this.u32(R.GEMV, this.linearIndex);
    const slot = activationSlot(this.layout, weight, false);
    this.u32(R.X_SHARED, slot.shared);
    this.u32(R.X_PRIVATE, slot.private);
  }

  private settle(op: Op & { kind: 'settle' }): void {
    this.u32(R.OPCODE, R.OP_SETTLE);
    this.buffer(op.to, R.TO, R.TO_STRIDE);
    this.u32(R.FROM, this.layout.buffers.get('linear')!.address);
    this.u32(R.FROM_STRIDE, op.rows * 4);
    this.u32(R.ROW_GROUPS, op.rows / 8);
    this.result(op);
  }

  private heads(op: Op & { kind: 'rotate' | 'store' | 'attend' | 'latent' }): void {
    const { layer } = op;
    const pages = this.layout.kv.layers.get(layer.index)!;
    this.u32(R.HEADS, layer.heads);
    this.u32(R.KV_HEADS, layer.kvHeads);
    this.u32(R.HEAD_WIDTH, this.spec.headWidth);
    this.u32(R.VALUE_WIDTH, this.spec.valueWidth);
    this.u32(R.K_CACHE, pages.keys);
    this.u32(R.V_CACHE, pages.values);
    this.u32(R.KV_TYPE, KV_CODES[this.options.kvType]);
  }

  /** The new keys and values, and their place in the cache. */
  private entries(op: Op & { kind: 'rotate' | 'store' }): void {
    this.heads(op);
    this.buffer('query', R.FROM, R.FROM_STRIDE);
    const key = this.layout.buffers.get('key')!,
      value = this.layout.buffers.get('value')!;
    this.u32(R.K_FROM, key.address);
    this.u32(R.K_STRIDE, key.stride);
    this.u32(R.V_FROM, value.address);
    this.u32(R.V_STRIDE, value.stride);
  }

  private rotate(op: Op & { kind: 'rotate' }): void {
    this.u32(R.OPCODE, R.OP_ROTATE);
    this.entries(op);
    if (op.apart) this.u32(R.KV_TYPE, R.KV_NONE);
    const { rope } = op.layer;
    this.u32(R.ROTARY, rope === undefined ? 0 : this.spec.ropes[rope]!.rotary);
    this.u32(R.ROPE_TABLE, rope ?? 0);
    this.u32(R.Q_NORM, this.address(op.qNorm));
    this.u32(R.K_NORM, this.address(op.kNorm));
    this.f32(R.HEAD_EPSILON, this.spec.epsilon);
  }

  private latent(op: Op & { kind: 'latent' }): void {
    this.u32(R.OPCODE, R.OP_LATENT);
    this.heads(op);
    this.buffer('query', R.FROM, R.FROM_STRIDE);
    this.buffer('latentQuery', R.TO, R.TO_STRIDE);
    this.buffer('key', R.K_FROM, R.K_STRIDE);
    this.u32(R.QUERY_WIDTH, op.latent.plain + op.latent.rotary);
    this.u32(R.ROTARY, op.latent.rotary);
    this.u32(R.ROPE_TABLE, op.layer.rope ?? 0);
    this.u32(R.K_NORM, this.address(op.kNorm));
    this.f32(R.HEAD_EPSILON, this.spec.epsilon);
  }

  private headMatmul(op: Op & { kind: 'headMatmul' }): void {
    this.u32(R.OPCODE, R.OP_HEADS);
    this.buffer(op.to, R.TO, R.TO_STRIDE);
    this.u32(R.WIDTH, op.weight.columns);
    this.weight(op.weight);
    const form = formOf(op.weight, this.options.exact);
    const slot = this.layout.slots.get(form)!;
    this.u32(R.X_SHARED, slot.shared);
    this.u32(R.X_PRIVATE, slot.private);
    this.u32(R.X_STRIDE, slot.stride);
    this.u32(R.START, R.START_ZERO);
    this.u32(R.PART_BYTES, partBytes(op.weight));
    this.u32(R.PARTS, op.heads);
    this.u32(R.X_STEP, activationBytes(form, op.from));
    this.u32(R.TO_STEP, op.step * 4);
  }

  private attend(op: Op & { kind: 'attend' }): void {
    this.u32(R.OPCODE, R.OP_ATTEND);
    this.heads(op);
    this.buffer(this.spec.latent ? 'latentQuery' : 'query', R.FROM, R.FROM_STRIDE);
    this.buffer(this.spec.latent ? 'latentOutput' : 'attention', R.TO, R.TO_STRIDE);
    this.u32(R.WINDOW, op.layer.window);
    this.f32(R.SOFTMAX_SCALE, this.spec.softmaxScale);
    this.f32(R.SOFTCAP, this.spec.attentionSoftcap);
  }
}
