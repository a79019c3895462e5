/** Values of options, and the statistics of the benchmark. */
import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { byteSize, integer, integers, list, logitBias, number, tokenIds } from '../../src/cli/parse.ts';
import { mean, percentile, standardDeviation } from '../../tools/statistics.ts';
import { binaryBytesText, bytesText, durationText, roundParametersText } from '../../src/cli/text.ts';

const bad = (parse: (text: string) => unknown, ...texts: string[]): void => {
  for (const text of texts) expect(() => parse(text), text).toThrow(InvalidArgumentError);
};

test('numbers', () => {
  expect(integer(-1)('-1')).toBe(-1);
  expect(list(integer(0))('1, 2,3')).toEqual([1, 2, 3]);
  expect(integers(1, 32)('1, 4,8..11')).toEqual([1, 4, 8, 9, 10, 11]);
  expect(integers(1, 32)('3..3')).toEqual([3]);
  expect(number(0, 1)('.5')).toBe(0.5);
  expect(number(0, 10)('1e-3')).toBe(0.001);
  bad(integer(0, 9), '', ' ', '1.0', '1e1', '0x1', '-1', '10', 'NaN', '99999999999999999999');
  bad(number(0, 1), '', '1.1', '-0.1', 'Infinity', 'NaN', '1,5', '0x1');
  bad(list(integer(0)), '1,,2', '1,', '');
  bad(integers(1, 9), '', '0..2', '1..10', '3..1', '1...3', '..3', '1..', '1..2..3', '1,,2');
  bad(integers(0, 1e9), '0..99999999');
});

test('sizes, token ids, biases', () => {
  expect(byteSize('65536')).toBe(65536);
  expect(byteSize('1.5GiB')).toBe(1.5 * 2 ** 30);
  expect(byteSize('64m')).toBe(64 * 2 ** 20);
  bad(byteSize, '', '1', '-1G', '1T', 'G');
  expect(tokenIds('[1, 2,3]\n')).toEqual([1, 2, 3]);
  expect(tokenIds('4 5')).toEqual([4, 5]);
  bad(tokenIds, '', '[]', '1,-2', '1.5', '4294967296');
  expect([...logitBias('2-inf', logitBias('310+1.5'))]).toEqual([[310, 1.5], [2, -Infinity]]); // prettier-ignore
  expect([...logitBias('7=-3')]).toEqual([[7, -3]]);
  bad(logitBias, '7', 'x+1', '7+', '7 1');
});

test('statistics', () => {
  expect(mean([1, 2, 3])).toBe(2);
  expect(standardDeviation([1, 2, 3])).toBe(1);
  expect(standardDeviation([5])).toBe(0);
  expect(percentile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(percentile([1, 2, 3], 1)).toBe(3);
  expect(percentile([], 0.5)).toBeUndefined();
});

test('sizes and times for people', () => {
  expect([0, 999, 1000, 98_400_000, 999_600].map(bytesText)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '98.4 MB',
    '1.0 MB',
  ]);
  expect(binaryBytesText(98_366_208)).toBe('93.81 MiB');
  expect([134.5e6, 1.1e9, 999.6e6].map(roundParametersText)).toEqual(['135M', '1.1B', '1.0B']);
  expect([12.4, 999.6, 200_000].map(durationText)).toEqual(['12 ms', '1.0 s', '3 min 20 s']);
});
