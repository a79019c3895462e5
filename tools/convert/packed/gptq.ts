/**
 * GPTQ's storage (AutoGPTQ, GPTQModel), arXiv:2210.17323: words of int32 hold 32 / bits levels, lowest bits first.
 *
 *     qweight [in / per, out]      word r, part i = input per * r + i
 *     qzeros  [groups, out / per]  part i = output per * c + i, stored as zero - 1 (format "gptq"; "gptq_v2": as it is)
 *     scales  [groups, out]        g_idx [in]: group of each input, in any order (desc_act)
 */
import { CheckpointError } from '../../../src/errors.ts';
import { quote } from '../../../src/gguf/cursor.ts';
import { kept } from '../transforms.ts';
import type { PackedMatrix } from './matrix.ts';
import { matrixShape, readGroups, readScales, readWords, type Parts } from './parts.ts';

export interface GptqFormat {
  bits: number;
  /** Inputs of a group; -1: all. */
  groupSize: number;
  /** What zeros are stored less by. */
  zeroOffset: 0 | 1;
}

export async function gptqMatrix(parts: Parts, format: GptqFormat): Promise<PackedMatrix> {
  const { bits, zeroOffset } = format;
  const per = 32 / bits;
  const mask = 2 ** bits - 1;
  const [words, outputs] = matrixShape(parts.qweight);
  const inputs = words * per;
  const [groups, zeroWords] = matrixShape(parts.qzeros);
  if (zeroWords * per !== outputs) {
    throw new CheckpointError(
      `tensor ${quote(parts.qzeros.name)}: its shape does not fit ${outputs} outputs`,
    );
  }
  const packedZeros = await readWords(parts.qzeros);
  const zeros = new Float32Array(groups * outputs);
  for (let g = 0; g < groups; g++) {
    for (let o = 0; o < outputs; o++) {
      const word = packedZeros[g * zeroWords + Math.floor(o / per)]!;
      zeros[g * outputs + o] = ((word >>> ((o % per) * bits)) & mask) + zeroOffset;
    }
  }
  const whole = kept(() => readWords(parts.qweight));
  return {
    name: parts.name,
    inputs,
    outputs,
    bits,
    groupOf: await readGroups(parts.groups, inputs, format.groupSize < 0 ? inputs : format.groupSize, groups),
    scales: await readScales(parts.scales, groups, outputs),
    zeros,
    async levels(first, count) {
      const packed = await whole.get();
      const levels = new Uint8Array(count * inputs);
      for (let r = 0; r < words; r++) {
        for (let row = 0; row < count; row++) {
          const word = packed[r * outputs + first + row]!;
          for (let i = 0; i < per; i++) levels[row * inputs + r * per + i] = (word >>> (i * bits)) & mask;
        }
      }
      return levels;
    },
  };
}
