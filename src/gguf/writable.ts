/**
 * Metadata values on their way into a file. Strings, booleans and typed arrays say themselves what they are.
 * A JavaScript number does not (is 10000 a u32 or an f32? llama.cpp refuses the wrong one), so numbers are
 * written as `u32(4096)`, `f32(1e-5)`; so are empty lists: `typed('string[]', [])`.
 */
import { GgufError } from '../errors.ts';
import { quote } from './cursor.ts';
import { LIMITS } from './limits.ts';
import type { GgufArray, GgufFile, GgufValue } from './types.ts';
import {
  numericTypeOf,
  TYPED_ARRAYS,
  valueTypeId,
  type NumericArray,
  type NumericType,
  type ScalarType,
  type ValueType,
} from './value-types.ts';

/** A value together with the type it is to have in the file. */
export interface Typed {
  readonly type: ValueType;
  readonly value: GgufValue | readonly number[];
}

export type WritableValue = string | boolean | NumericArray | string[] | boolean[] | GgufArray[] | Typed;

export function typed(type: ValueType, value: Typed['value']): Typed {
  return { type, value };
}

export const u8 = (value: number): Typed => typed('u8', value);
export const i8 = (value: number): Typed => typed('i8', value);
export const u16 = (value: number): Typed => typed('u16', value);
export const i16 = (value: number): Typed => typed('i16', value);
export const u32 = (value: number): Typed => typed('u32', value);
export const i32 = (value: number): Typed => typed('i32', value);
export const u64 = (value: number | bigint): Typed => typed('u64', value);
export const i64 = (value: number | bigint): Typed => typed('i64', value);
export const f32 = (value: number): Typed => typed('f32', value);
export const f64 = (value: number): Typed => typed('f64', value);

/**
 * The metadata of a file that was read, ready to be written again with the types they had there. Without the
 * keys that describe the file rather than the model: split.* and general.alignment.
 */
export function copyMetadata(file: GgufFile): Map<string, WritableValue> {
  const copy = new Map<string, WritableValue>();
  for (const [key, value] of file.metadata) {
    if (key.startsWith('split.') || key === 'general.alignment') continue;
    const type = file.valueTypes?.get(key);
    copy.set(key, type === undefined ? (value as WritableValue) : typed(type, value));
  }
  return copy;
}

/** A value with its type ids and the checks done: what the writer walks through. */
export type Encodable =
  | { kind: 'number'; type: NumericType; value: number | bigint }
  | { kind: 'bool'; value: boolean }
  | { kind: 'string'; value: string }
  | { kind: 'numbers'; type: NumericType; value: NumericArray }
  | { kind: 'bools'; value: readonly boolean[] }
  | { kind: 'strings'; value: readonly string[] }
  | { kind: 'arrays'; value: readonly Encodable[] };

/** Finds out what a value is. Throws a GgufError that names the key when it is not what its type says. */
export function toEncodable(key: string, given: WritableValue): Encodable {
  if (typeof given === 'object' && 'type' in given && 'value' in given) {
    return encodableAs(key, given.type, given.value);
  }
  return encodableAs(key, guessType(key, given), given);
}

function guessType(key: string, value: GgufValue): ValueType {
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  const numeric = numericTypeOf(value);
  if (numeric !== undefined) return `${numeric}[]`;
  if (!Array.isArray(value)) {
    throw new GgufError(`metadata ${quote(key)}: say which type the ${typeof value} has: u32(...), f32(...)`);
  }
  const [first] = value;
  if (first === undefined) {
    throw new GgufError(`metadata ${quote(key)}: say which type the empty list has: typed('string[]', [])`);
  }
  if (typeof first === 'string') return 'string[]';
  return typeof first === 'boolean' ? 'bool[]' : 'array[]';
}

function encodableAs(key: string, type: ValueType, value: Typed['value'], depth = 1): Encodable {
  const wrong = (): GgufError => new GgufError(`metadata ${quote(key)}: the value is not of type ${type}`);
  if (!type.endsWith('[]')) {
    const scalar = type as ScalarType;
    if (scalar === 'string') {
      if (typeof value !== 'string') throw wrong();
      return { kind: 'string', value };
    }
    if (scalar === 'bool') {
      if (typeof value !== 'boolean') throw wrong();
      return { kind: 'bool', value };
    }
    if (!isNumberOf(scalar, value)) throw wrong();
    return { kind: 'number', type: scalar, value };
  }
  if (depth > LIMITS.nestingDepth) {
    throw new GgufError(`metadata ${quote(key)}: arrays nested more than ${LIMITS.nestingDepth} deep`);
  }
  const element = type.slice(0, -2) as ScalarType | 'array';
  if (element !== 'array' && element !== 'string' && element !== 'bool') {
    return { kind: 'numbers', type: element, value: toTypedArray(element, value, wrong) };
  }
  if (!Array.isArray(value)) throw wrong();
  const list: readonly unknown[] = value;
  if (element === 'array') {
    const arrays = (list as GgufArray[]).map((item) => {
      if (typeof item !== 'object') throw wrong();
      // An empty list among lists can be of any type; no reader can tell.
      const itemType = Array.isArray(item) && item.length === 0 ? 'string[]' : guessType(key, item);
      return encodableAs(key, itemType, item, depth + 1);
    });
    return { kind: 'arrays', value: arrays };
  }
  const wanted = element === 'string' ? 'string' : 'boolean';
  if (!list.every((item) => typeof item === wanted)) throw wrong();
  return element === 'string'
    ? { kind: 'strings', value: list as string[] }
    : { kind: 'bools', value: list as boolean[] };
}

function toTypedArray(type: NumericType, value: Typed['value'], wrong: () => GgufError): NumericArray {
  if (numericTypeOf(value) === type) return value as NumericArray;
  if (!Array.isArray(value)) throw wrong();
  const list: readonly unknown[] = value;
  if (!list.every((item) => isNumberOf(type, item))) throw wrong();
  if (type === 'u64' || type === 'i64') {
    return TYPED_ARRAYS[type].from((list as (number | bigint)[]).map(BigInt));
  }
  return TYPED_ARRAYS[type].from(list as number[]);
}

/** [least, greatest] of the integer types. */
const RANGES: Partial<Record<NumericType, readonly [number | bigint, number | bigint]>> = {
  u8: [0, 0xff],
  i8: [-0x80, 0x7f],
  u16: [0, 0xffff],
  i16: [-0x8000, 0x7fff],
  u32: [0, 0xffff_ffff],
  i32: [-0x8000_0000, 0x7fff_ffff],
  u64: [0n, 2n ** 64n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
};

function isNumberOf(type: NumericType, value: unknown): value is number | bigint {
  const range = RANGES[type];
  if (range === undefined) return typeof value === 'number';
  const whole = typeof value === 'bigint' ? type === 'u64' || type === 'i64' : Number.isSafeInteger(value);
  return whole && (value as number | bigint) >= range[0] && (value as number | bigint) <= range[1];
}

/** The type id that stands before the value. */
export function typeIdOf(value: Encodable): number {
  switch (value.kind) {
    case 'number':
      return valueTypeId(value.type);
    case 'bool':
      return valueTypeId('bool');
    case 'string':
      return valueTypeId('string');
    default:
      return valueTypeId('array');
  }
}

/** The type id of an array's elements. */
export function elementIdOf(value: Encodable): number {
  switch (value.kind) {
    case 'numbers':
      return valueTypeId(value.type);
    case 'bools':
      return valueTypeId('bool');
    case 'strings':
      return valueTypeId('string');
    default:
      return valueTypeId('array');
  }
}
