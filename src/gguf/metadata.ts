/**
 * Typed access to metadata. `get...` throws a GgufError that names the key when it is missing; `find...`
 * gives undefined then. Both throw when the value has the wrong type: a file that says "32" where a number
 * belongs is damaged, not optional.
 */
import { GgufError } from '../errors.ts';
import { quote } from './cursor.ts';
import type { GgufArray, GgufValue } from './types.ts';
import { numericTypeOf } from './value-types.ts';

export type Metadata = ReadonlyMap<string, GgufValue>;

export function findString(metadata: Metadata, key: string): string | undefined {
  return find(metadata, key, 'a string', (value) => (typeof value === 'string' ? value : undefined));
}

export function getString(metadata: Metadata, key: string): string {
  return required(key, findString(metadata, key));
}

/** Any number; 64-bit integers above 2^53 are refused, because they would not be exact. */
export function findNumber(metadata: Metadata, key: string): number | undefined {
  return find(metadata, key, 'a number', (value) => (typeof value === 'number' ? value : undefined));
}

export function getNumber(metadata: Metadata, key: string): number {
  return required(key, findNumber(metadata, key));
}

/** A count, size or id: a whole number from 0. */
export function findCount(metadata: Metadata, key: string): number | undefined {
  return find(metadata, key, 'a whole number from 0', (value) => (isCount(value) ? value : undefined));
}

export function getCount(metadata: Metadata, key: string): number {
  return required(key, findCount(metadata, key));
}

export function findBoolean(metadata: Metadata, key: string): boolean | undefined {
  return find(metadata, key, 'a boolean', (value) => (typeof value === 'boolean' ? value : undefined));
}

export function getBoolean(metadata: Metadata, key: string): boolean {
  return required(key, findBoolean(metadata, key));
}

/** An array of whatever kind. */
function findArray(metadata: Metadata, key: string): GgufArray | undefined {
  return find(metadata, key, 'an array', (value) => (typeof value === 'object' ? value : undefined));
}

export function getArray(metadata: Metadata, key: string): GgufArray {
  return required(key, findArray(metadata, key));
}

export function findStrings(metadata: Metadata, key: string): string[] | undefined {
  return find(metadata, key, 'an array of strings', (value) =>
    // The reader makes arrays of one type: the first element speaks for all.
    Array.isArray(value) && (value.length === 0 || typeof value[0] === 'string')
      ? (value as string[])
      : undefined,
  );
}

export function getStrings(metadata: Metadata, key: string): string[] {
  return required(key, findStrings(metadata, key));
}

/** An array of numbers, booleans as 0 and 1 included; 64-bit elements must fit into a number. */
export function findNumbers(metadata: Metadata, key: string): ArrayLike<number> | undefined {
  return find(metadata, key, 'an array of numbers', toNumbers);
}

export function getNumbers(metadata: Metadata, key: string): ArrayLike<number> {
  return required(key, findNumbers(metadata, key));
}

/**
 * A value per layer: some models store one number for all layers, others an array.
 *
 * @throws GgufError when an array has fewer elements than there are layers
 */
export function findPerLayer(metadata: Metadata, key: string, layers: number): number[] | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value !== 'object') return new Array<number>(layers).fill(getNumber(metadata, key));
  const numbers = getNumbers(metadata, key);
  if (numbers.length < layers) {
    throw new GgufError(`metadata ${quote(key)} has ${numbers.length} values for ${layers} layers`);
  }
  return Array.from({ length: layers }, (_, layer) => numbers[layer]!);
}

export function getPerLayer(metadata: Metadata, key: string, layers: number): number[] {
  return required(key, findPerLayer(metadata, key, layers));
}

function isCount(value: GgufValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function toNumbers(value: GgufValue): ArrayLike<number> | undefined {
  if (value instanceof BigUint64Array || value instanceof BigInt64Array) {
    const numbers = Array.from(value, Number);
    return numbers.every(Number.isSafeInteger) ? numbers : undefined;
  }
  if (numericTypeOf(value) !== undefined)
    return value as Exclude<typeof value, unknown[]> & ArrayLike<number>;
  if (Array.isArray(value) && (value.length === 0 || typeof value[0] === 'boolean')) return value.map(Number);
  return undefined;
}

function find<T>(
  metadata: Metadata,
  key: string,
  wanted: string,
  convert: (value: GgufValue) => T | undefined,
): T | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const converted = convert(value);
  if (converted === undefined) {
    throw new GgufError(`metadata ${quote(key)} is ${describe(value)}, not ${wanted}`);
  }
  return converted;
}

function required<T>(key: string, value: T | undefined): T {
  if (value === undefined) throw new GgufError(`missing metadata ${quote(key)}`);
  return value;
}

function describe(value: GgufValue): string {
  if (typeof value === 'object') {
    return `an array of ${value.length} ${numericTypeOf(value) ?? typeof value[0]} values`;
  }
  return `the ${typeof value} ${quote(String(value))}`;
}
