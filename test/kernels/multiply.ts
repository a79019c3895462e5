/** ACTIVATE and MATMUL, walked as a program of two ops. */
import { UNPACKED_BYTES } from '../../src/engine/layout/scratch.ts';
import { DEQUANTIZE_KERNEL, GEMM_KERNEL, GEMV_KERNEL } from '../../src/kernels/exports.ts';
import { activationBytes } from '../../src/kernels/formats.ts';
import * as R from '../../src/kernels/record.ts';
import type { Machine, Matrix } from './machine.ts';
import { emptyRows, getRows, putRows, run, type Rows } from './program.ts';

/** How a product comes about; all that is left out is off. */
export interface Multiplication {
  exact?: boolean;
  start?: number;
  bias?: number;
  up?: Matrix;
  activation?: number;
  /** The sums go through the activation. */
  acted?: boolean;
  cap?: number;
  threads?: number;
  /** Where the peaks of row groups go. */
  peaks?: Rows;
  /** What TO holds before. */
  before?: Float32Array[];
}

/** Activates the tokens and multiplies; rows are those of whole groups. */
export function multiply(
  machine: Machine,
  matrix: Matrix,
  tokens: Float32Array[],
  how: Multiplication = {},
): Float32Array[] {
  const { format, columns } = matrix;
  const form = how.exact ? 'f32' : format.form;
  const stride = Math.ceil(activationBytes(form, columns) / 64) * 64 + 64;
  const shared = machine.alloc(stride * tokens.length);
  const from = putRows(machine, tokens);
  const width = matrix.groups * 8;
  const to = how.before ? putRows(machine, how.before) : emptyRows(machine, tokens.length, width);
  // I8's own form is the same as int16 but for its scale: what kernels multiply does not depend on who chose that.
  const slot = { int8: R.X8_SHARED, int16: R.X16_SHARED, static: R.X16_SHARED, f32: R.X32_SHARED }[form];
  const index = (kind: number) => machine.kernels.kernelIndex(format.kernel, kind);
  run(
    machine,
    [
      {
        opcode: R.OP_ACTIVATE,
        words: {
          [R.FROM]: from.at,
          [R.FROM_STRIDE]: from.stride,
          [R.WIDTH]: columns,
          [slot]: shared,
          [slot + 4]: 0,
          [slot + 8]: stride,
        },
      },
      {
        opcode: R.OP_MATMUL,
        flags: (how.exact ? R.EXACT : 0) | (how.acted ? R.ACTED : 0),
        floats: { [R.SCALE]: how.cap ?? 0 },
        words: {
          [R.TO]: to.at,
          [R.TO_STRIDE]: to.stride,
          [R.WIDTH]: columns,
          [R.WEIGHTS]: matrix.at,
          [R.GROUP_BYTES]: matrix.groupBytes,
          [R.ROW_GROUPS]: matrix.groups,
          [R.UNITS]: matrix.units,
          [R.DEQUANTIZE]: index(DEQUANTIZE_KERNEL),
          [R.GEMV]: index(GEMV_KERNEL),
          [R.GEMM]: index(GEMM_KERNEL),
          [R.NIBBLES]: format.nibbles ? 1 : 0,
          [R.X_SHARED]: shared,
          [R.X_PRIVATE]: 0,
          [R.X_STRIDE]: stride,
          [R.START]: how.start ?? R.START_ZERO,
          [R.BIAS]: how.bias ?? 0,
          [R.UP_WEIGHTS]: how.up?.at ?? 0,
          [R.ACTIVATION]: how.activation ?? 0,
          [R.PEAKS]: how.peaks?.at ?? 0,
          [R.PEAKS_STRIDE]: how.peaks?.stride ?? 0,
        },
      },
    ],
    {
      tokens: tokens.length,
      threads: how.threads,
      scratch: Math.max(tokens.length, matrix.groups) * 32 + UNPACKED_BYTES,
    },
  );
  return getRows(machine, to).map((row) => row.slice(0, width));
}
