/** Finds tensors by name and reads their bytes. */
import { GgufError } from '../errors.ts';
import { quote } from './cursor.ts';
import type { GgufFile, GgufTensor } from './types.ts';

const indexes = new WeakMap<readonly GgufTensor[], Map<string, GgufTensor>>();

function indexOf(file: GgufFile): Map<string, GgufTensor> {
  let index = indexes.get(file.tensors);
  // The size tells when somebody has added tensors since.
  if (index === undefined || index.size !== file.tensors.length) {
    index = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
    indexes.set(file.tensors, index);
  }
  return index;
}

/** The tensor with this name; undefined when there is none. */
export function findTensor(file: GgufFile, name: string): GgufTensor | undefined {
  return indexOf(file).get(name);
}

/** The tensor with this name. Throws a GgufError that names it when it is missing. */
export function getTensor(file: GgufFile, name: string): GgufTensor {
  const tensor = findTensor(file, name);
  if (tensor === undefined) {
    throw new GgufError(
      `${file.sources[0]?.name ?? 'GGUF'}: missing tensor ${quote(name)} (the file has ${file.tensors.length} tensors)`,
    );
  }
  return tensor;
}

/**
 * Bytes of a tensor as they stand in the file: all, or `length` bytes from `start` (relative to the tensor).
 * Throws a GgufError when the part lies outside of the tensor or the source fails.
 */
export async function readTensor(
  file: GgufFile,
  tensor: GgufTensor,
  start = 0,
  length = tensor.byteLength - start,
): Promise<Uint8Array> {
  if (!(start >= 0 && length >= 0 && start + length <= tensor.byteLength)) {
    throw new GgufError(
      `tensor ${quote(tensor.name)}: bytes ${start} to ${start + length} are outside of its ${tensor.byteLength}`,
    );
  }
  return file.sources[tensor.shard]!.read(tensor.offset + start, length);
}
