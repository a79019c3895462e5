/**
 * AWQ's storage (AutoAWQ, version "gemm"), arXiv:2306.00978: words of int32 hold eight 4-bit levels of neighbouring
 * outputs, in an order that suits a GPU's registers.
 *
 *     qweight [in, out / 8], qzeros [groups, out / 8]      part i = output 8 * c + (0 2 4 6 1 3 5 7)[i]
 *     scales  [groups, out]
 */
import { CheckpointError } from '../../../src/errors.ts';
import { quote } from '../../../src/gguf/cursor.ts';
import { kept } from '../transforms.ts';
import type { PackedMatrix } from './matrix.ts';
import { matrixShape, readGroups, readScales, readWords, type Parts } from './parts.ts';

/** Bits to shift for output 8 * c + i: the inverse of the order above. */
const SHIFTS = [0, 4, 1, 5, 2, 6, 3, 7].map((part) => 4 * part);

export async function awqMatrix(parts: Parts, groupSize: number): Promise<PackedMatrix> {
  const [inputs, words] = matrixShape(parts.qweight);
  const outputs = words * 8;
  const [groups, zeroWords] = matrixShape(parts.qzeros);
  if (zeroWords !== words) {
    throw new CheckpointError(
      `tensor ${quote(parts.qzeros.name)}: its shape does not fit ${outputs} outputs`,
    );
  }
  const level = (packed: Uint32Array, row: number, output: number): number =>
    (packed[row * words + (output >> 3)]! >>> SHIFTS[output & 7]!) & 15;
  const packedZeros = await readWords(parts.qzeros);
  const zeros = Float32Array.from({ length: groups * outputs }, (_, i) =>
    level(packedZeros, Math.floor(i / outputs), i % outputs),
  );
  const whole = kept(() => readWords(parts.qweight));
  return {
    name: parts.name,
    inputs,
    outputs,
    bits: 4,
    groupOf: await readGroups(undefined, inputs, groupSize < 0 ? inputs : groupSize, groups),
    scales: await readScales(parts.scales, groups, outputs),
    zeros,
    async levels(first, count) {
      const packed = await whole.get();
      const levels = new Uint8Array(count * inputs);
      for (let i = 0; i < inputs; i++) {
        for (let row = 0; row < count; row++) levels[row * inputs + i] = level(packed, i, first + row);
      }
      return levels;
    },
  };
}
