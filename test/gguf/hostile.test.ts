/** Damaged and malicious files: each gives one error that says what and where, before anything is allocated. */
import { describe, expect, it } from 'vitest';
import { GgufError } from '../../src/errors.ts';
import { u32 } from '../../src/gguf/index.ts';
import { build, f32Tensor, pairs, parse, RawGguf } from './helpers.ts';

const raw = (): RawGguf => new RawGguf();
/** A header with one metadata pair whose value is still to come. */
const value = (type: number): RawGguf => raw().header(0, 1).string('key').u32(type);
/** A header with one pair whose value is an array of `count` elements. */
const array = (element: number, count: bigint | number): RawGguf => value(9).u32(element).u64(count);
const tensor = (shape: (bigint | number)[], type = 0, offset: bigint | number = 0): RawGguf =>
  raw().header(1, 0).tensor('weight', shape, type, offset).pad().zeros(64);
const TWO60 = 2n ** 60n;

const CASES: [string, RawGguf, RegExp][] = [
  ['nothing', raw(), /truncated: 8 more bytes needed, 0 are left/],
  ['another format', raw().u8(0x50, 0x4b, 3, 4).zeros(28), /not a GGUF file: it begins with 0x04034b50/],
  ['big-endian', raw().u8(0x47, 0x47, 0x55, 0x46, 0, 0, 0, 3).zeros(24), /big-endian/],
  ['big-endian magic', raw().u8(0x46, 0x55, 0x47, 0x47, 0, 0, 0, 3).zeros(24), /big-endian/],
  ['version 0', raw().header(0, 0, 0), /version 0 is unknown/],
  ['version 1', raw().header(0, 0, 1), /version 1 \(2023\) is not supported/],
  ['version 4', raw().header(0, 0, 4), /version 4 is unknown: 2 and 3 are read/],
  ['2^60 tensors', raw().header(TWO60, 0), /absurd tensor count 1152921504606846976/],
  [
    '2^40 tensors',
    raw()
      .header(2n ** 40n, 0)
      .zeros(99),
    /1099511627776 tensors do not fit in the 99 bytes left/,
  ],
  ['2^60 pairs', raw().header(0, TWO60), /absurd metadata count/],
  ['a million pairs', raw().header(0, 1e6).zeros(99), /1000000 metadata pairs do not fit/],
  [
    'a pair missing',
    raw().header(0, 2).string('a').u32(4).u32(1).string('').zeros(9),
    /empty key.*pair 2 of 2/,
  ],
  ['a key of 2^60', raw().header(0, 1).u64(TWO60).zeros(9), /absurd key length.*key of metadata pair 1/],
  ['a key beyond the end', raw().header(0, 1).u64(99).zeros(9), /truncated: key of 99 bytes, 9 are left/],
  ['a key too long', raw().header(0, 1).u64(70_000).zeros(70_009), /longer than the limit of 65535/],
  ['a key twice', raw().header(0, 2).string('a').u32(7).u8(1).string('a').u32(7).u8(1), /duplicate key "a"/],
  ['value type 13', value(13).zeros(8), /unknown value type 13 \(value of "key"/],
  ['a boolean of 2', value(7).u8(2), /2 is not a boolean \(value of "key"/],
  ['a cut number', value(10).u32(0), /truncated: 8 more bytes needed, 4 are left \(value of "key"/],
  ['a string of 2^60', value(8).u64(TWO60), /absurd string length/],
  ['a string beyond the end', value(8).u64(50).zeros(49), /truncated: string of 50 bytes, 49 are left/],
  ['an array of 2^60', array(0, TWO60), /absurd array length 1152921504606846976/],
  ['an array of 2^50', array(6, 2n ** 50n).zeros(10), /an array of 1125899906842624 f32 values does not fit/],
  [
    'strings that do not fit',
    array(8, 3).string('a').zeros(14),
    /array of 3 string values does not fit in the 23/,
  ],
  ['a string in a list', array(8, 2).string('a').u64(9).zeros(5), /string 1 of 9 bytes, 5 are left/],
  ['a boolean in a list', array(7, 2).u8(1, 7), /7 is not a boolean/],
  ['an array of type 77', array(77, 1).zeros(9), /unknown value type 77/],
  [
    'deep nesting',
    array(9, 1).u32(9).u64(1).u32(9).u64(1).u32(9).u64(1).u32(0).u64(0),
    /nested more than 4 deep/,
  ],
  [
    'alignment 0',
    raw().header(0, 1).string('general.alignment').u32(4).u32(0),
    /general.alignment "0" is not a power/,
  ],
  [
    'alignment 24',
    raw().header(0, 1).string('general.alignment').u32(4).u32(24),
    /"24" is not a power of two/,
  ],
  [
    'alignment as text',
    raw().header(0, 1).string('general.alignment').u32(8).string('x'),
    /"x" is not a power/,
  ],
  [
    'a nameless tensor',
    raw().header(1, 0).tensor('', [1], 0, 0).zeros(64),
    /empty tensor name \(name of tensor 1 of 1/,
  ],
  [
    'a tensor name of 2 KB',
    raw().header(1, 0).tensor('x'.repeat(2048), [1], 0, 0),
    /longer than the limit of 1024/,
  ],
  ['five dimensions', tensor([1, 1, 1, 1, 1]), /5 dimensions; at most 4 .*tensor "weight"/],
  [
    '2^31 dimensions',
    raw()
      .header(1, 0)
      .string('weight')
      .u32(2 ** 31)
      .zeros(64),
    /2147483648 dimensions/,
  ],
  ['an empty dimension', tensor([4, 0]), /shape \[4, 0\] has an empty dimension \(tensor "weight"/],
  ['2^60 columns', tensor([TWO60]), /absurd dimension 0 1152921504606846976 \(tensor "weight"/],
  ['2^64 elements', tensor([2n ** 32n, 2n ** 32n]), /has 18446744073709552000 elements, more than a file/],
  ['2^64 elements in four', tensor([65536, 65536, 65536, 65536]), /more than a file of \d+ bytes can hold/],
  [
    'type 4',
    tensor([32], 4),
    /unknown tensor type: type 4 \(Q4_2, withdrawn by llama.cpp\) \(tensor "weight"/,
  ],
  ['type 36', tensor([32], 36), /type 36 \(IQ4_NL_4_4/],
  ['type 4000000000', tensor([32], 4_000_000_000), /unknown tensor type: type 4000000000/],
  ['a broken block', tensor([33], 2), /rows of 33 are not whole Q4_0 blocks of 32/],
  [
    'a misaligned offset',
    tensor([4], 0, 8),
    /tensor "weight" is misaligned: offset 8 is not a multiple of 32/,
  ],
  ['an absurd offset', tensor([4], 0, 2n ** 63n), /absurd tensor offset 9223372036854775808/],
  ['an offset beyond the end', tensor([4], 0, 64), /"weight" lies outside of the file/],
  [
    'data beyond the end',
    tensor([17]),
    /"weight" lies outside of the file: bytes \d+ to \d+, but the file has \d+/,
  ],
  [
    'a tensor twice',
    raw().header(2, 0).tensor('w', [1], 0, 0).tensor('w', [1], 0, 32).pad().zeros(64),
    /duplicate tensor "w" \(name of tensor 2 of 2/,
  ],
  [
    'overlapping tensors',
    raw().header(2, 0).tensor('b', [1], 0, 32).tensor('a', [9], 0, 0).pad().zeros(64),
    /tensor "b" is overlapping: its data, at byte \d+, begin inside those of "a"/,
  ],
];

describe('a hostile file', () => {
  it.each(CASES)('%s', async (_, file, message) => {
    const error: unknown = await parse(file.bytes()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GgufError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toMatch(/^test\.gguf: /);
  });

  it('cannot write to the terminal through its names', async () => {
    const name = '\u001b[2J\u009b31m\u202e"\n';
    const error = (await parse(raw().header(1, 0).tensor(name, [1], 99, 0).bytes()).catch(
      (e: unknown) => e,
    )) as Error;
    expect(error.message).toContain('tensor "?[2J?31m???"');
  });

  it('is refused at every length it may be cut to', async () => {
    const bytes = await build({
      metadata: pairs({ a: u32(1), words: ['x', 'yy'], nested: [Int32Array.of(1)] }),
      tensors: [f32Tensor('t', [1, 2, 3]), f32Tensor('u', [4])],
    });
    // Only the padding after the last tensor may be missing.
    const needed = bytes.length - 28;
    for (let length = 0; length < needed; length++) {
      await expect(parse(bytes.subarray(0, length)), `${length} bytes`).rejects.toThrow(GgufError);
    }
    await parse(bytes.subarray(0, needed));
  });
});

describe('what looks odd but is valid', () => {
  it('a tensor without dimensions is one number', async () => {
    const file = await parse(raw().header(1, 0).tensor('scalar', [], 0, 0).pad().zeros(4).bytes());
    expect(file.tensors[0]).toMatchObject({ shape: [1], byteLength: 4 });
  });

  it('a file without tensors', async () => {
    expect((await parse(raw().header(0, 0).bytes())).tensors).toEqual([]);
  });

  it('data in another order than the list, with gaps', async () => {
    const bytes = raw().header(2, 0).tensor('b', [1], 0, 96).tensor('a', [1], 0, 0).pad().zeros(128).bytes();
    const [b, a] = (await parse(bytes)).tensors;
    expect(b!.offset - a!.offset).toBe(96);
  });

  it('keys that JavaScript objects trip over', async () => {
    const file = await parse(await build({ metadata: pairs({ ['__proto__']: 'x', constructor: 'y' }) }));
    expect(file.metadata.get('constructor')).toBe('y');
    const proto = await parse(raw().header(0, 1).string('__proto__').u32(7).u8(1).bytes());
    expect(proto.metadata.get('__proto__')).toBe(true);
  });
});
