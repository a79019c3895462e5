/** What the writer refuses. Round trips: roundtrip.test.ts. */
import { describe, expect, it } from 'vitest';
import {
  f32,
  i32,
  memorySink,
  typed,
  u16,
  u32,
  u64,
  u8,
  writeGguf,
  type WritableTensor,
  type WritableValue,
} from '../../src/gguf/index.ts';
import { build, f32Tensor, pairs } from './helpers.ts';

describe('metadata that cannot be written', () => {
  const bad: [string, WritableValue, string][] = [
    ['a bare number', 5 as unknown as WritableValue, 'say which type the number has'],
    ['an empty list', [], 'say which type the empty list has'],
    ['u8 256', u8(256), 'not of type u8'],
    ['u16 -1', u16(-1), 'not of type u16'],
    ['u32 1.5', u32(1.5), 'not of type u32'],
    ['i32 2^31', i32(2 ** 31), 'not of type i32'],
    ['u64 2^64', u64(2n ** 64n), 'not of type u64'],
    ['u64 beyond 2^53 as a number', u64(2 ** 53), 'not of type u64'],
    ['f32 of a string', f32('1' as unknown as number), 'not of type f32'],
    ['u32 of a bigint', u32(1n as unknown as number), 'not of type u32'],
    ['a mixed list', ['a', true] as unknown as string[], 'not of type string[]'],
    ['u8[] with 300', typed('u8[]', [300]), 'not of type u8[]'],
    ['a string as bool', typed('bool', 'true'), 'not of type bool'],
    ['lists too deep', [[[[['x']]]]], 'nested more than 4 deep'],
  ];
  it.each(bad)('%s', async (_, value, message) => {
    await expect(build({ metadata: pairs({ 'a.key': value }) })).rejects.toThrow(message);
    await expect(build({ metadata: pairs({ 'a.key': value }) })).rejects.toThrow('"a.key"');
  });

  it('an empty key', async () => {
    await expect(build({ metadata: pairs({ '': true }) })).rejects.toThrow('key "" is empty');
  });

  it.each([0, 3, 2 ** 21, 1.5])('an alignment of %s', async (alignment) => {
    await expect(build({ alignment })).rejects.toThrow('is not a power of two');
  });

  it('two alignments', async () => {
    const metadata = pairs({ 'general.alignment': u32(64) });
    await expect(build({ metadata, alignment: 32 })).rejects.toThrow('not the alignment of 32');
    await expect(build({ metadata: pairs({ 'general.alignment': 'x' }) })).rejects.toThrow('power of two');
  });
});

describe('tensors that cannot be written', () => {
  const bad: [string, WritableTensor[], string][] = [
    ['two of one name', [f32Tensor('a', [1]), f32Tensor('a', [1])], 'duplicate tensor "a"'],
    ['no name', [f32Tensor('', [1])], 'empty or longer than 63 bytes'],
    ['a long name', [f32Tensor('ä'.repeat(32), [1])], 'longer than 63 bytes'],
    ['no dimension', [f32Tensor('a', [1], [])], 'shape []'],
    ['five dimensions', [f32Tensor('a', [1], [1, 1, 1, 1, 1])], 'not 1 to 4 positive sizes'],
    ['an empty dimension', [f32Tensor('a', [], [0])], 'shape [0]'],
    ['an unknown type', [{ ...f32Tensor('a', [1]), type: 36 }], 'IQ4_NL_4_4'],
    ['a broken block', [{ ...f32Tensor('a', [1]), type: 2, shape: [33] }], 'Q4_0 blocks of 32'],
    ['too little data', [f32Tensor('a', [1], [2])], 'not the 8 bytes'],
    ['too much data', [f32Tensor('a', [1, 2, 3], [2])], 'not the 8 bytes'],
  ];
  it.each(bad)('%s', async (_, tensors, message) => {
    await expect(build({ tensors })).rejects.toThrow(message);
  });

  it('are stopped by the signal', async () => {
    const controller = new AbortController();
    const written = writeGguf(
      memorySink(),
      { metadata: new Map(), tensors: [f32Tensor('a', [1]), f32Tensor('b', [1])] },
      { signal: controller.signal, onProgress: () => controller.abort() },
    );
    await expect(written).rejects.toThrow('stopped by the caller');
  });
});
