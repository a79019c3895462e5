/**
 * AWQ's second search (arXiv:2306.00978, and `auto_clip` of its authors' program): cutting off the largest weights of a
 * group makes its step smaller. For each row and each group of columns that share a scale, the range is the part of the
 * largest magnitude, 1, 0.95 ... 0.5, for which rounding makes the least error of the group's share in the outputs,
 * |X_g (Q(clip(w_g)) - w_g)|^2. Q is the quantizer of the target type.
 *
 * Different from the paper:
 * - Groups are those of the type, 16 or 32 columns, not 128.
 * - What a group's neighbours choose changes its values a little: groups of a super-block of a K type share f16 scales, and
 *   with importance the searches of Q4_0 to Q5_1 look at the whole row. A block whose groups' choices do not lessen its
 *   error together stays as it was.
 */
import { rowBytes, tensorType } from '../../../src/gguf/tensor-types.ts';
import { BUFFERS, ROW_SCRATCH, type Treatment } from '../kernels.ts';
import { MethodKernels } from './kernels.ts';

/** Parts of the largest magnitude that are tried. */
const PARTS = Array.from({ length: 10 }, (_, i) => 0.95 - i * 0.05);

export class ClippingKernels extends MethodKernels {
  /**
   * As `convert`, with weights clipped where that lessens the errors of the outputs.
   *
   * @param samples inputs of the matrix as it is with the treatment, [n x columns]
   * @throws GgufError as dequantize
   */
  convertClipped(
    from: number,
    bytes: Uint8Array,
    rows: number,
    columns: number,
    to: number,
    { importance, ...factors }: Treatment,
    samples: Float32Array,
  ): Uint8Array<ArrayBuffer> {
    const size = rows * columns * 4;
    const group = this.quantizers.columnsPerScale(to);
    const groups = columns / group;
    const perBlock = tensorType(to).blockSize / group;
    const w = this.read(from, bytes, rows, columns);
    let top = w - BUFFERS + size;
    const take = (length: number): number => {
      const address = this.room(top, length);
      top = address - BUFFERS + length;
      return address;
    };
    const clipped = take(size + ROW_SCRATCH);
    const weights = take(columns * 4);
    const grams = take(columns * group * 4);
    const parts = take(rows * groups * 4);
    const errors = take(rows * groups * 4);
    const written = take(rows * rowBytes(to, columns));
    const back = take(Math.max(size + ROW_SCRATCH, samples.byteLength));
    this.scale(w, rows, columns, factors);
    this.put(back, samples);
    this.quantizers.groupGrams(back, samples.length / columns, columns, group, grams);
    if (importance) this.put(weights, importance);

    const errorsOf = (chosen: Float32Array): Float32Array => {
      this.put(parts, chosen);
      this.quantizers.clipGroups(w, rows, columns, group, parts, clipped);
      this.store(to, clipped, rows, columns, importance ? weights : 0, written);
      this.toF32(to, written, rows, columns, back);
      this.quantizers.subtract(back, w, rows * columns);
      this.quantizers.groupErrors(back, rows, columns, group, grams, errors);
      return new Float32Array(this.memory.buffer, errors, rows * groups).slice();
    };
    const chosen = new Float32Array(rows * groups).fill(1);
    const whole = errorsOf(chosen);
    const least = whole.slice();
    for (const part of PARTS) {
      errorsOf(new Float32Array(rows * groups).fill(part)).forEach((error, i) => {
        if (!(error < least[i]!)) return;
        least[i] = error;
        chosen[i] = part;
      });
    }
    keepBetter(chosen, whole, errorsOf(chosen), perBlock);
    errorsOf(chosen);
    return new Uint8Array(this.memory.buffer, written, rows * rowBytes(to, columns)).slice();
  }
}

/** Back to 1 where the choices of a block's groups make its error no smaller. */
function keepBetter(
  chosen: Float32Array,
  whole: Float32Array,
  clipped: Float32Array,
  perBlock: number,
): void {
  const sum = (errors: Float32Array, at: number) =>
    errors.subarray(at, at + perBlock).reduce((a, b) => a + b, 0);
  for (let at = 0; at < chosen.length; at += perBlock) {
    if (!(sum(clipped, at) < sum(whole, at))) chosen.fill(1, at, at + perBlock);
  }
}
