import { TokenizerError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';

/** Typed access to GGUF metadata. It comes from outside, so each reader checks and names the key at fault. */
export type Metadata = ReadonlyMap<string, GgufValue>;

export type NumberArray =
  Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

export function optionalString(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === 'string') return value;
  throw new TokenizerError(`${key} is not a string`);
}

export function optionalBoolean(metadata: Metadata, key: string): boolean | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === 'boolean') return value;
  throw new TokenizerError(`${key} is not a boolean`);
}

/** A token id below `size`. */
export function optionalId(metadata: Metadata, key: string, size: number): number | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= size) {
    throw new TokenizerError(`${key} is ${describe(value)}: not the id of one of the ${size} tokens`);
  }
  return value;
}

export function optionalStrings(metadata: Metadata, key: string): string[] | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  // The first element tells the type of a GGUF array; readers of single elements check again.
  if (Array.isArray(value) && (value.length === 0 || typeof value[0] === 'string')) return value as string[];
  throw new TokenizerError(`${key} is not an array of strings`);
}

export function requiredStrings(metadata: Metadata, key: string): string[] {
  const value = optionalStrings(metadata, key);
  if (value === undefined) throw new TokenizerError(`${key} is missing: the file has no usable vocabulary`);
  return value;
}

/** A number for each token. */
export function optionalNumbers(metadata: Metadata, key: string, length: number): NumberArray | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!isNumberArray(value)) throw new TokenizerError(`${key} is not an array of numbers`);
  if (value.length !== length) {
    throw new TokenizerError(`${key} has ${value.length} entries for ${length} tokens`);
  }
  return value;
}

function isNumberArray(value: GgufValue): value is NumberArray {
  return ArrayBuffer.isView(value) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array);
}

function describe(value: GgufValue): string {
  return typeof value === 'object' ? 'an array' : String(value);
}
