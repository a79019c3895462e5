/** One op record in a segment's memory, and the words that several kinds of ops have. */
import { DEQUANTIZE_KERNEL, GEMM_KERNEL, GEMV_KERNEL, type KernelExports } from '../../kernels/exports.ts';
import { activationBytes, groupBytes, units, type ActivationForm } from '../../kernels/formats.ts';
import * as R from '../../kernels/record.ts';
import type { Activation, ExpertSpec, ModelSpec } from '../architectures/types.ts';
import type { ActivationSlot, LayoutOptions, SegmentLayout } from '../layout/types.ts';
import type { Buffer, Op } from '../program.ts';
import { formOf, type Norm, type Weight } from '../weights.ts';

const ACTIVATIONS: Record<Activation | 'int8', number> = {
  silu: R.ACT_SILU,
  gelu: R.ACT_GELU,
  'gelu-erf': R.ACT_GELU_ERF,
  relu: R.ACT_RELU,
  tanh: R.ACT_TANH,
  int8: R.ACT_INT8,
};

/** An op of one kind. */
export type OpOf<Kind extends Op['kind']> = Op & { kind: Kind };

interface Place {
  view: DataView;
  /** Address of the record. */
  at: number;
  kernels: KernelExports;
  spec: ModelSpec;
  layout: SegmentLayout;
  options: LayoutOptions;
  /** Table index of the kernel from outside, where there is one. */
  linear: number;
}

export class RecordWriter {
  readonly spec: ModelSpec;
  readonly layout: SegmentLayout;
  readonly options: LayoutOptions;
  readonly linear: number;
  private readonly view: DataView;
  private readonly at: number;
  private readonly kernels: KernelExports;

  constructor({ view, at, kernels, spec, layout, options, linear }: Place) {
    this.view = view;
    this.at = at;
    this.kernels = kernels;
    this.spec = spec;
    this.layout = layout;
    this.options = options;
    this.linear = linear;
  }

  u32(word: number, value: number): void {
    this.view.setUint32(this.at + word, value, true);
  }

  f32(word: number, value: number): void {
    this.view.setFloat32(this.at + word, value, true);
  }

  /** Address and row stride of a work buffer, into two words. */
  buffer(name: Buffer, address: number, stride: number): void {
    const buffer = this.layout.buffers.get(name)!;
    this.u32(address, buffer.address);
    this.u32(stride, buffer.stride);
  }

  from(name: Buffer): void {
    this.buffer(name, R.FROM, R.FROM_STRIDE);
  }

  to(name: Buffer): void {
    this.buffer(name, R.TO, R.TO_STRIDE);
  }

  address(weight: Weight | undefined): number {
    return weight ? this.layout.weights.get(weight.key)! : 0;
  }

  /** What every product with a matrix begins with. */
  matmul(opcode: number, { to, weight }: { to: Buffer; weight: Weight }): void {
    this.u32(R.OPCODE, opcode);
    this.to(to);
    this.u32(R.WIDTH, weight.columns);
    this.weight(weight);
  }

  /** A matrix and its kernels. */
  weight(weight: Weight): void {
    const format = weight.format!;
    const index = (kind: number) => this.kernels.kernelIndex(format.kernel, kind);
    this.u32(R.WEIGHTS, this.address(weight));
    this.u32(R.GROUP_BYTES, groupBytes(format, weight.columns));
    this.u32(R.ROW_GROUPS, Math.ceil(weight.rows / 8));
    this.u32(R.UNITS, units(format, weight.columns));
    this.u32(R.DEQUANTIZE, index(DEQUANTIZE_KERNEL));
    this.u32(R.GEMV, index(GEMV_KERNEL));
    this.u32(R.GEMM, index(GEMM_KERNEL));
    this.u32(R.NIBBLES, format.nibbles ? 1 : 0);
  }

  /** What the matmul with a weight reads its activations from. */
  slot(weight: Weight): ActivationSlot & { form: ActivationForm } {
    const form = formOf(weight, this.options.exact);
    return { form, ...this.layout.slots.get(form)! };
  }

  /** Bytes from one row of activations to the next. Kernels from outside know no gaps between rows. */
  rowStride(slot: ActivationSlot, form: ActivationForm, width: number): number {
    return this.options.kernel ? activationBytes(form, width) : slot.stride;
  }

  norm(norm: Norm | undefined, width: number): void {
    const kind = this.spec.architecture.norm === 'layer' ? R.NORM_LAYER : R.NORM_RMS;
    this.u32(R.WIDTH, width);
    this.u32(R.NORM, norm ? kind : R.NORM_NONE);
    this.u32(R.NORM_WEIGHT, this.address(norm?.weight));
    this.u32(R.NORM_BIAS, this.address(norm?.bias));
    this.f32(R.EPSILON, this.spec.epsilon);
  }

  activation(activation: Activation | 'int8' = this.spec.architecture.activation): void {
    this.u32(R.ACTIVATION, ACTIVATIONS[activation]);
  }

  /** The flag of a matmul that takes f32 activations though its weights come in blocks. */
  exact(weight: Weight): number {
    const { unitColumns } = weight.format!;
    return unitColumns > 1 && formOf(weight, this.options.exact) === 'f32' ? R.EXACT : 0;
  }

  /** Rows are pairs, where there are experts. */
  pairs(experts: ExpertSpec | undefined): number {
    if (!experts) return 0;
    this.u32(R.USED, experts.used);
    return R.ON_PAIRS;
  }
}

/** The flag of an op whose rows are those that logits are wanted of. */
export function outputFlag({ onOutputs }: { onOutputs?: boolean }): number {
  return onOutputs ? R.ON_OUTPUTS : 0;
}
