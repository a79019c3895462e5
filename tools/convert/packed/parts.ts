/** The tensors that stand for one packed matrix: `X.qweight`, `X.qzeros`, `X.scales` and, for GPTQ, `X.g_idx`. */
import { CheckpointError } from '../../../src/errors.ts';
import { quote } from '../../../src/gguf/cursor.ts';
import { decode } from '../encode.ts';
import { storedRows, rowCount } from '../rows.ts';
import type { StoredTensor } from '../safetensors.ts';

export interface Parts {
  name: string;
  qweight: StoredTensor;
  qzeros: StoredTensor;
  scales: StoredTensor;
  groups: StoredTensor | undefined;
}

/** Throws CheckpointError when a part is missing. */
export function partsOf(name: string, tensors: ReadonlyMap<string, StoredTensor>): Parts {
  const part = (suffix: string): StoredTensor => {
    const tensor = tensors.get(`${name}.${suffix}`);
    if (tensor === undefined) throw new CheckpointError(`tensor ${quote(`${name}.${suffix}`)} is missing`);
    return tensor;
  };
  return {
    name: `${name}.weight`,
    qweight: part('qweight'),
    qzeros: part('qzeros'),
    scales: part('scales'),
    groups: tensors.get(`${name}.g_idx`),
  };
}

/** [rows, columns] of a part. Throws CheckpointError unless it is an int32 matrix (or `dtype`). */
export function matrixShape(tensor: StoredTensor, dtype = 'I32'): readonly [number, number] {
  if (tensor.dtype !== dtype || tensor.shape.length !== 2) {
    throw new CheckpointError(`tensor ${quote(tensor.name)}: is not a matrix of ${dtype}`);
  }
  return tensor.shape as [number, number];
}

export async function readWords(tensor: StoredTensor): Promise<Uint32Array> {
  const bytes = await tensor.source.read(tensor.offset, tensor.byteLength);
  return new Uint32Array(bytes.slice().buffer);
}

/** All scales as f32. */
export async function readScales(
  tensor: StoredTensor,
  groups: number,
  outputs: number,
): Promise<Float32Array> {
  const rows = storedRows(tensor);
  if (rows.shape.join() !== [outputs, groups].join()) {
    throw new CheckpointError(`tensor ${quote(tensor.name)}: its shape is not [${groups}, ${outputs}]`);
  }
  return decode(rows.type, await rows.read(0, rowCount(rows.shape)));
}

/** Group of each input: as given, or `size` neighbours each. Throws CheckpointError for a group that is not there. */
export async function readGroups(
  tensor: StoredTensor | undefined,
  inputs: number,
  size: number,
  groups: number,
): Promise<Int32Array> {
  const groupOf =
    tensor === undefined
      ? Int32Array.from({ length: inputs }, (_, i) => Math.floor(i / size))
      : new Int32Array((await readWords(tensor)).buffer);
  if (groupOf.length !== inputs || groupOf.some((group) => group < 0 || group >= groups)) {
    throw new CheckpointError(
      `the groups of ${quote(tensor?.name ?? 'inputs')} do not fit ${inputs} inputs and ${groups} scales`,
    );
  }
  return groupOf;
}
