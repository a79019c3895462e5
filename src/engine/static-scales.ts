/**
 * Scales of int8 weights (I8 tensors) and of their inputs, which a file holds in tensors of their own: SmoothQuant's W8A8
 * (arXiv:2211.10438). tools/convert/README.md has the names. They are read while planning, since most become words of op
 * records.
 */
import { ModelError } from '../errors.ts';
import { typeLabel } from '../gguf/tensor-types.ts';
import { readTensor } from '../gguf/tensors.ts';
import type { GgufFile, GgufTensor } from '../gguf/types.ts';
import { I8 } from '../kernels/formats.ts';

/** Values by the name of their tensor. */
export type StaticScales = ReadonlyMap<string, Float32Array>;

/** More output channels than any layer has. */
const MOST_VALUES = 2 ** 24;

const isScale = ({ name }: GgufTensor) => name.endsWith('.scale') || name.endsWith('.input_scale');

/**
 * The scales of a file with I8 tensors; of another file none.
 *
 * @throws ModelError for a scale that is not F32, not finite or not above zero
 */
export async function readScales(file: GgufFile): Promise<StaticScales> {
  const scales = new Map<string, Float32Array>();
  if (!file.tensors.some(({ type }) => type === I8.type)) return scales;
  for (const tensor of file.tensors.filter(isScale)) {
    scales.set(tensor.name, await readScale(file, tensor));
  }
  return scales;
}

async function readScale(file: GgufFile, tensor: GgufTensor): Promise<Float32Array> {
  const { name, type, byteLength } = tensor;
  if (type !== 0) throw new ModelError(`tensor ${name} has type ${typeLabel(type)}; scales must be F32`);
  if (byteLength > MOST_VALUES * 4) throw new ModelError(`tensor ${name}: ${byteLength} bytes of scales`);
  const values = new Float32Array(Uint8Array.from(await readTensor(file, tensor)).buffer);
  const bad = values.find((value) => !(value > 0 && value < Infinity));
  if (bad !== undefined) {
    throw new ModelError(`tensor ${name}: a scale is ${bad}; it must be finite and above zero`);
  }
  return values;
}
