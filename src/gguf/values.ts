/** Reads metadata values: 12 scalar types and arrays of them, arrays of arrays included. */
import type { Cursor } from './cursor.ts';
import { LIMITS } from './limits.ts';
import type { GgufArray, GgufScalar, GgufValue } from './types.ts';
import {
  MIN_BYTES,
  TYPED_ARRAYS,
  valueTypeName,
  type NumericType,
  type ScalarType,
  type ValueType,
} from './value-types.ts';

/** What the arrays of one file have used up of its limits. */
export interface Budget {
  listElements: number;
  nestedArrays: number;
}

export function newBudget(): Budget {
  return { listElements: LIMITS.listElements, nestedArrays: LIMITS.nestedArrays };
}

export interface TypedValue {
  type: ValueType;
  value: GgufValue;
}

/** One value with its leading type id. */
export async function readValue(cursor: Cursor, budget: Budget): Promise<TypedValue> {
  const type = await readType(cursor);
  if (type !== 'array') return { type, value: await readScalar(cursor, type) };
  const { element, value } = await readArray(cursor, budget, 1);
  return { type: `${element}[]`, value };
}

async function readType(cursor: Cursor): Promise<ScalarType | 'array'> {
  await cursor.need(4);
  const id = cursor.u32();
  const type = valueTypeName(id);
  if (type === undefined) throw cursor.fail(`unknown value type ${id}`);
  return type;
}

async function readScalar(cursor: Cursor, type: ScalarType): Promise<GgufScalar> {
  if (type === 'string') return cursor.string(LIMITS.stringBytes, 'string');
  await cursor.need(MIN_BYTES[type]);
  if (type === 'bool') return readBoolean(cursor);
  return readNumber(cursor.takeView(MIN_BYTES[type]), type);
}

function readNumber(view: DataView, type: NumericType): number | bigint {
  switch (type) {
    case 'u8':
      return view.getUint8(0);
    case 'i8':
      return view.getInt8(0);
    case 'u16':
      return view.getUint16(0, true);
    case 'i16':
      return view.getInt16(0, true);
    case 'u32':
      return view.getUint32(0, true);
    case 'i32':
      return view.getInt32(0, true);
    case 'f32':
      return view.getFloat32(0, true);
    case 'f64':
      return view.getFloat64(0, true);
    case 'u64':
      return narrow(view.getBigUint64(0, true));
    case 'i64':
      return narrow(view.getBigInt64(0, true));
  }
}

/** As a number where that is exact. */
function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function readBoolean(cursor: Cursor): boolean {
  const byte = cursor.u8();
  if (byte > 1) throw cursor.fail(`${byte} is not a boolean`);
  return byte === 1;
}

interface ArrayValue {
  element: ScalarType | 'array';
  value: GgufArray;
}

async function readArray(cursor: Cursor, budget: Budget, depth: number): Promise<ArrayValue> {
  if (depth > LIMITS.nestingDepth) throw cursor.fail(`arrays nested more than ${LIMITS.nestingDepth} deep`);
  const element = await readType(cursor);
  await cursor.need(8);
  const count = cursor.size('array length');
  if (count * MIN_BYTES[element] > cursor.remaining) {
    throw cursor.fail(
      `the file is truncated: an array of ${count} ${element} values does not fit in the ${cursor.remaining} bytes left`,
    );
  }
  switch (element) {
    case 'string':
      spend(cursor, budget, 'listElements', count);
      return { element, value: await readStrings(cursor, count) };
    case 'bool':
      spend(cursor, budget, 'listElements', count);
      return { element, value: await readBooleans(cursor, count) };
    case 'array': {
      spend(cursor, budget, 'nestedArrays', count);
      const value: GgufArray[] = [];
      for (let i = 0; i < count; i++) {
        value.push((await readArray(cursor, budget, depth + 1)).value);
        if (i % 64 === 0) await cursor.rest();
      }
      return { element, value };
    }
    default:
      return { element, value: await readNumbers(cursor, element, count) };
  }
}

function spend(cursor: Cursor, budget: Budget, what: keyof Budget, count: number): void {
  budget[what] -= count;
  if (budget[what] < 0) {
    throw cursor.fail(
      `more than ${LIMITS[what]} ${what === 'listElements' ? 'list elements' : 'nested arrays'}`,
    );
  }
}

async function readNumbers(cursor: Cursor, type: NumericType, count: number): Promise<GgufArray> {
  // Copied: typed arrays need an alignment that the file does not give, and the window must not be kept alive.
  return new TYPED_ARRAYS[type](await cursor.copy(count * MIN_BYTES[type]));
}

async function readStrings(cursor: Cursor, count: number): Promise<string[]> {
  const strings: string[] = [];
  for (let i = 0; i < count; i++) {
    // cursor.string() without its awaits where the bytes are there: 150,000 times for a vocabulary.
    strings.push(cursor.shortString() ?? (await cursor.string(LIMITS.stringBytes, `string ${i}`)));
    if (i % 256 === 0 && cursor.pause.due) await cursor.rest();
  }
  return strings;
}

async function readBooleans(cursor: Cursor, count: number): Promise<boolean[]> {
  const values: boolean[] = [];
  for (let i = 0; i < count; i++) {
    if (cursor.buffered < 1) await cursor.need(1);
    values.push(readBoolean(cursor));
    if (i % 4096 === 0 && cursor.pause.due) await cursor.rest();
  }
  return values;
}
