/** Checkpoints whose matrices are quantized already, by "quantization_config" in config.json. */
import { CheckpointError } from '../../../src/errors.ts';
import type { Config } from '../config.ts';
import type { Rows } from '../rows.ts';
import type { StoredTensor } from '../safetensors.ts';
import { awqMatrix } from './awq.ts';
import { gptqMatrix } from './gptq.ts';
import { packedRows, type PackedMatrix } from './matrix.ts';
import { partsOf, type Parts } from './parts.ts';

const SUFFIX = /\.qweight$/;
const PARTS = ['qweight', 'qzeros', 'scales', 'g_idx'];

/**
 * The packed matrices by the name that their weights would have unpacked, and the names of the tensors they are made
 * of; empty for a checkpoint that is not quantized. Throws CheckpointError for a method that is not known.
 */
export async function readPacked(
  config: Config,
  tensors: ReadonlyMap<string, StoredTensor>,
): Promise<{ matrices: Map<string, Rows>; parts: Set<string> }> {
  const matrices = new Map<string, Rows>();
  const parts = new Set<string>();
  const quantization = config.findConfig('quantization_config');
  if (quantization === undefined) return { matrices, parts };
  const unpack = methodOf(quantization);
  for (const name of tensors.keys()) {
    if (!SUFFIX.test(name)) continue;
    const base = name.replace(SUFFIX, '');
    const found = partsOf(base, tensors);
    matrices.set(`${base}.weight`, await packedRows(() => unpack(found)));
    for (const part of PARTS) parts.add(`${base}.${part}`);
  }
  return { matrices, parts };
}

function methodOf(quantization: Config): (parts: Parts) => Promise<PackedMatrix> {
  const method = quantization.findString('quant_method');
  const bits = quantization.findCount('bits', 'w_bit');
  const groupSize = quantization.findNumber('group_size', 'q_group_size') ?? -1;
  if (method === 'gptq' && (bits === 2 || bits === 4 || bits === 8)) {
    const zeroOffset = quantization.findString('checkpoint_format') === 'gptq_v2' ? 0 : 1;
    return (parts) => gptqMatrix(parts, { bits, groupSize, zeroOffset });
  }
  const version = quantization.findString('version')?.toLowerCase() ?? 'gemm';
  if (method === 'awq' && bits === 4 && version === 'gemm') return (parts) => awqMatrix(parts, groupSize);
  throw new CheckpointError(
    `${quantization.path}: ${method ?? 'this method'} with ${bits ?? 'unknown'} bits cannot be unpacked; ` +
      'GPTQ with 2, 4 or 8 bits and AWQ (gemm) with 4 can: convert the checkpoint that was quantized instead',
  );
}
