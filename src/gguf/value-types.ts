/** The 13 types that a metadata value can have, by the ids that stand in the file. */

/** Scalars that have a fixed size. */
export type NumericType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'u64' | 'i64' | 'f64';
export type ScalarType = NumericType | 'bool' | 'string';
/** `u32`, `string[]`, ...; an array of arrays is `array[]`. */
export type ValueType = ScalarType | `${ScalarType}[]` | 'array[]';

const NAMES = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const satisfies readonly (ScalarType | 'array')[];

/** The least number of bytes that one value of the type takes in a file: bounds every count. */
export const MIN_BYTES: Readonly<Record<ScalarType | 'array', number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: 8,
  array: 12,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** The name of a value type id; undefined when there is no such type. */
export function valueTypeName(id: number): ScalarType | 'array' | undefined {
  return NAMES[id];
}

export function valueTypeId(name: ScalarType | 'array'): number {
  return NAMES.indexOf(name);
}

export type NumericArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** The typed array that holds an array of each numeric type. GGUF and WebAssembly are both little-endian. */
export const TYPED_ARRAYS = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
} as const;

/** The type of a typed array's elements; undefined for anything else. */
export function numericTypeOf(value: unknown): NumericType | undefined {
  for (const [name, constructor] of Object.entries(TYPED_ARRAYS)) {
    if (value instanceof constructor) return name as NumericType;
  }
  return undefined;
}
