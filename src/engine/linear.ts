/**
 * Kernels from outside, such as the lab's: they take the place of the engine's own in the 4-bit linear layers of a dense
 * model. A matmul becomes two ops: LINEAR, the kernel's own work, into a buffer without gaps between rows; and SETTLE,
 * which adds what there is to add and brings the rows to their place.
 */
import { ModelError } from '../errors.ts';
import { FORMATS, type WeightFormat } from '../kernels/formats.ts';
import type { Op, SegmentProgram } from './program.ts';
import type { Weight } from './weights.ts';

export interface LinearKernel {
  /** As the user called it. */
  name: string;
  /** Imports nothing but `env.memory`; exports `linear`: see lab/00-reference/kernel.ts. */
  module: WebAssembly.Module;
  /** Weights row after row in blocks of 20 bytes, or 8 rows interleaved: assembly/quant/q4-linear.ts. */
  layout: 'rows' | 'groups';
  /** One worker does all, or the kernel divides the rows among all. */
  workers: 'one' | 'all';
}

/** Addresses that belong to the constants of such a module; of its memory.data. */
export const LINEAR_STATICS = 0x3000;
export const LINEAR_STATICS_END = 0x4000;
/** Bytes of scratch that each worker's call has for itself. */
export const LINEAR_SCRATCH = 65536;

const byName = (name: string) => FORMATS.find((format) => format.name === name)!;

function variation(name: string, kernel: number, layout: string, layoutText: string): WeightFormat {
  return { ...byName(name), kernel, groupBlockBytes: 160, layout, layoutText };
}

/** Run-time formats by layout and the file's format. `kernel`: see assembly/quant/index.ts. */
const LAYOUTS: Record<LinearKernel['layout'], Partial<Record<string, WeightFormat>>> = {
  rows: {
    Q4_0: variation('Q4_0', 33, 'rows', 'rows of blocks'),
    Q4_1: variation('Q4_1', 34, 'rows', 'rows of blocks'),
  },
  groups: {
    Q4_0: variation('Q4_0', 32, '8x4', '8 rows x 4 columns, with minimums'),
    Q4_1: byName('Q4_1'),
  },
};

/** The weight in the kernel's layout; undefined where the kernel does not fit. */
function converted(weight: Weight, layout: LinearKernel['layout']): Weight | undefined {
  const format = LAYOUTS[layout][weight.format!.name];
  if (!format || weight.transposed || weight.parts || weight.rows % 8 !== 0) return undefined;
  return { ...weight, key: `${weight.key} in ${layout}`, format };
}

/**
 * The program with the kernel in all linear layers that it fits.
 *
 * @throws ModelError when it fits none, or the model is of a kind that it cannot serve
 */
export function plugLinear(program: SegmentProgram, kernel: LinearKernel): SegmentProgram {
  const strange = program.ops.find(({ kind }) => kind === 'expertMatmul' || kind === 'headMatmul');
  if (strange) throw new ModelError(`--kernel ${kernel.name}: only dense models without latent attention`);
  const plugged = (some: readonly Op[]) =>
    some.flatMap((op) => (op.kind === 'matmul' ? replace(op, kernel) : [op]));
  const ops = plugged(program.ops);
  if (!ops.some(({ kind }) => kind === 'linear')) {
    throw new ModelError(`--kernel ${kernel.name}: the model has no Q4_0 or Q4_1 weights in its layers`);
  }
  return { ...program, ops, usual: plugged(program.ops.slice(0, program.usual)).length };
}

function replace(op: Op & { kind: 'matmul' }, kernel: LinearKernel): Op[] {
  const weight = converted(op.weight, kernel.layout);
  const up = op.up && converted(op.up, kernel.layout);
  if (!weight || (op.up && !up)) return [op];
  const { to, bias, add, act, softcap, onOutputs } = op;
  const { workers } = kernel;
  const linear = (of: Weight): Op => ({ kind: 'linear', weight: of, workers, onOutputs });
  const settle = (into: typeof to, rest: object = {}): Op => ({
    kind: 'settle',
    rows: weight.rows,
    to: into,
    onOutputs,
    ...rest,
  });
  if (!up) return [linear(weight), settle(to, { bias, add, act, softcap })];
  return [
    linear(weight),
    settle(to),
    linear(up),
    settle('up'),
    { kind: 'gate', to, from: 'up', width: weight.rows },
  ];
}
