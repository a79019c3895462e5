import { describe, expect, it } from 'vitest';
import {
  findBoolean,
  findCount,
  findNumber,
  findNumbers,
  findPerLayer,
  findString,
  findStrings,
  getArray,
  getBoolean,
  getCount,
  getNumber,
  getNumbers,
  getPerLayer,
  getString,
  getStrings,
  type GgufValue,
} from '../../src/gguf/index.ts';

const METADATA = new Map<string, GgufValue>([
  ['text', 'hello'],
  ['number', 1.5],
  ['count', 12],
  ['negative', -1],
  ['huge', 2n ** 60n],
  ['flag', false],
  ['words', ['a', 'b']],
  ['flags', [true, false]],
  ['i32s', Int32Array.of(3, 2, 1)],
  ['u64s', BigUint64Array.of(7n)],
  ['huge u64s', BigUint64Array.of(2n ** 60n)],
  ['empty', []],
]);

describe('metadata getters', () => {
  it('give values of the right type', () => {
    expect(getString(METADATA, 'text')).toBe('hello');
    expect(getNumber(METADATA, 'number')).toBe(1.5);
    expect(getCount(METADATA, 'count')).toBe(12);
    expect(getBoolean(METADATA, 'flag')).toBe(false);
    expect(getStrings(METADATA, 'words')).toEqual(['a', 'b']);
    expect(getStrings(METADATA, 'empty')).toEqual([]);
    expect(Array.from(getNumbers(METADATA, 'i32s'))).toEqual([3, 2, 1]);
    expect(Array.from(getNumbers(METADATA, 'u64s'))).toEqual([7]);
    expect(Array.from(getNumbers(METADATA, 'flags'))).toEqual([1, 0]);
    expect(getArray(METADATA, 'i32s')).toEqual(Int32Array.of(3, 2, 1));
  });

  it('give one value per layer, from a number or an array', () => {
    expect(getPerLayer(METADATA, 'count', 3)).toEqual([12, 12, 12]);
    expect(getPerLayer(METADATA, 'i32s', 2)).toEqual([3, 2]);
    expect(getPerLayer(METADATA, 'flags', 2)).toEqual([1, 0]);
    expect(() => getPerLayer(METADATA, 'i32s', 4)).toThrow('"i32s" has 3 values for 4 layers');
    expect(findPerLayer(METADATA, 'none', 4)).toBeUndefined();
  });

  it('name the missing key, or give undefined', () => {
    for (const get of [getString, getNumber, getCount, getBoolean, getStrings, getNumbers, getArray]) {
      expect(() => get(METADATA, 'no.such.key')).toThrow('missing metadata "no.such.key"');
    }
    for (const find of [findString, findNumber, findCount, findBoolean, findStrings, findNumbers]) {
      expect(find(METADATA, 'no.such.key')).toBeUndefined();
    }
  });

  it('refuse a wrong type, also when optional', () => {
    expect(() => findString(METADATA, 'count')).toThrow('metadata "count" is the number "12", not a string');
    expect(() => findNumber(METADATA, 'text')).toThrow('is the string "hello", not a number');
    expect(() => findNumber(METADATA, 'huge')).toThrow('is the bigint "1152921504606846976", not a number');
    expect(() => findCount(METADATA, 'negative')).toThrow('not a whole number from 0');
    expect(() => findCount(METADATA, 'number')).toThrow('not a whole number from 0');
    expect(() => findBoolean(METADATA, 'text')).toThrow('not a boolean');
    expect(() => findStrings(METADATA, 'i32s')).toThrow(
      'is an array of 3 i32 values, not an array of strings',
    );
    expect(() => findNumbers(METADATA, 'words')).toThrow(
      'is an array of 2 string values, not an array of numbers',
    );
    expect(() => findNumbers(METADATA, 'huge u64s')).toThrow('not an array of numbers');
  });
});
