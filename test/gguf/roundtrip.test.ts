/** Written, then read: every value type, tensors, alignment, values that span read windows. */
import { describe, expect, it } from 'vitest';
import {
  copyMetadata,
  f32,
  f64,
  getTensor,
  i16,
  i32,
  i64,
  i8,
  memorySink,
  readTensor,
  typed,
  u16,
  u32,
  u64,
  u8,
  writeGguf,
  type GgufValue,
  type WritableValue,
} from '../../src/gguf/index.ts';
import { build, f32Tensor, pairs, parse } from './helpers.ts';

/** key -> [what is written, type in the file, what is read] */
const VALUES: Record<string, [WritableValue, string, GgufValue]> = {
  u8: [u8(255), 'u8', 255],
  i8: [i8(-128), 'i8', -128],
  u16: [u16(65535), 'u16', 65535],
  i16: [i16(-32768), 'i16', -32768],
  u32: [u32(4294967295), 'u32', 4294967295],
  i32: [i32(-2147483648), 'i32', -2147483648],
  f32: [f32(0.1), 'f32', Math.fround(0.1)],
  f64: [f64(0.1), 'f64', 0.1],
  'f32 infinity': [f32(-Infinity), 'f32', -Infinity],
  'u64 small': [u64(5), 'u64', 5],
  'u64 large': [u64(2n ** 64n - 1n), 'u64', 2n ** 64n - 1n],
  'i64 small': [i64(-5), 'i64', -5],
  'i64 large': [i64(-(2n ** 63n)), 'i64', -(2n ** 63n)],
  true: [true, 'bool', true],
  false: [false, 'bool', false],
  string: ['naïve 😀 \0 text', 'string', 'naïve 😀 \0 text'],
  'empty string': ['', 'string', ''],
  'byte order mark': ['\ufeffx', 'string', '\ufeffx'],
  'u8[]': [Uint8Array.of(1, 2, 255), 'u8[]', Uint8Array.of(1, 2, 255)],
  'i8[]': [Int8Array.of(-1), 'i8[]', Int8Array.of(-1)],
  'u16[]': [Uint16Array.of(65535), 'u16[]', Uint16Array.of(65535)],
  'i16[]': [Int16Array.of(-5, 5), 'i16[]', Int16Array.of(-5, 5)],
  'u32[]': [typed('u32[]', [1, 4294967295]), 'u32[]', Uint32Array.of(1, 4294967295)],
  'i32[]': [Int32Array.of(-7), 'i32[]', Int32Array.of(-7)],
  'f32[]': [Float32Array.of(0.5, NaN), 'f32[]', Float32Array.of(0.5, NaN)],
  'f64[]': [Float64Array.of(0.1), 'f64[]', Float64Array.of(0.1)],
  'u64[]': [BigUint64Array.of(2n ** 64n - 1n), 'u64[]', BigUint64Array.of(2n ** 64n - 1n)],
  'i64[]': [typed('i64[]', [-1]), 'i64[]', BigInt64Array.of(-1n)],
  'bool[]': [[true, false], 'bool[]', [true, false]],
  'string[]': [
    ['a', '', 'Ġthe', '日本', 'a long one, beyond the short path'],
    'string[]',
    ['a', '', 'Ġthe', '日本', 'a long one, beyond the short path'],
  ],
  'no strings': [typed('string[]', []), 'string[]', []],
  'no numbers': [new Float32Array(0), 'f32[]', new Float32Array(0)],
  nested: [[Int32Array.of(1), [['x'], ['y', 'z']]], 'array[]', [Int32Array.of(1), [['x'], ['y', 'z']]]],
};

describe('metadata', () => {
  it('comes back with its values, types and order', async () => {
    const written = pairs(Object.fromEntries(Object.entries(VALUES).map(([key, [value]]) => [key, value])));
    const file = await parse(await build({ metadata: written }));
    expect(file.version).toBe(3);
    expect([...file.metadata.keys()]).toEqual([...written.keys()]);
    for (const [key, [, type, value]] of Object.entries(VALUES)) {
      expect(file.metadata.get(key), key).toStrictEqual(value);
      expect(file.valueTypes?.get(key), key).toBe(type);
    }
  });

  it('can be copied byte for byte', async () => {
    const metadata = pairs(Object.fromEntries(Object.entries(VALUES).map(([key, [value]]) => [key, value])));
    const bytes = await build({ metadata });
    expect(await build({ metadata: copyMetadata(await parse(bytes)) })).toEqual(bytes);
  });

  it('is the same in version 2', async () => {
    const bytes = await build({ metadata: pairs({ a: u32(1) }), tensors: [f32Tensor('t', [1, 2])] });
    bytes[4] = 2;
    const file = await parse(bytes);
    expect(file.version).toBe(2);
    expect(file.metadata.get('a')).toBe(1);
    expect(file.tensors[0]?.shape).toEqual([2]);
  });

  it('spans read windows: long strings, numbers and lists', async () => {
    const long = 'añ😀'.repeat(700_000);
    const words = Array.from({ length: 60_000 }, (_, i) => `wörd ${i} ${'x'.repeat(i % 40)}`);
    const numbers = Float64Array.from({ length: 400_001 }, (_, i) => i / 3);
    const flags = Array.from({ length: 300_000 }, (_, i) => i % 3 === 0);
    const metadata = pairs({ odd: 'x', long, words, numbers, flags, last: u8(1) });
    const file = await parse(await build({ metadata }));
    expect(file.metadata.get('long') === long).toBe(true);
    expect(file.metadata.get('words')).toEqual(words);
    expect(file.metadata.get('numbers')).toEqual(numbers);
    expect(file.metadata.get('flags')).toEqual(flags);
    expect(file.metadata.get('last')).toBe(1);
  });
});

describe('short strings', () => {
  it('are decoded as TextDecoder does, valid UTF-8 or not', async () => {
    // Bytes as Latin-1 cannot be written as strings: patch them in.
    const samples = [
      [0xc3, 0xa9],
      [0xc3],
      [0xc3, 0x28],
      [0x80],
      [0xc0, 0x80],
      [0xe2, 0x82, 0xac],
      [0xf0, 0x9f],
      [0xff, 0x41],
    ];
    const bytes = await build({ metadata: pairs({ list: samples.map((s) => '~'.repeat(s.length)) }) });
    let at = 0;
    for (const sample of samples) {
      while (!sample.every((_, i) => bytes[at + i] === 0x7e)) at++;
      bytes.set(sample, at);
      at += sample.length;
    }
    const expected = samples.map((sample) => new TextDecoder().decode(Uint8Array.from(sample)));
    expect((await parse(bytes)).metadata.get('list')).toEqual(expected);
  });
});

describe('tensors', () => {
  it('come back with place and bytes', async () => {
    const tensors = [
      f32Tensor('one', [1]),
      { name: 'q4', type: 2, shape: [32, 2], data: new Uint8Array(36).fill(7) },
      f32Tensor('cube', [1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 1, 2]),
    ];
    const bytes = await build({ tensors });
    const file = await parse(bytes);
    expect(file.byteLength).toBe(bytes.length);
    expect(bytes.length % 32).toBe(0);
    expect(
      file.tensors.map(({ name, shape, type, byteLength }) => ({ name, shape, type, byteLength })),
    ).toEqual([
      { name: 'one', shape: [1], type: 0, byteLength: 4 },
      { name: 'q4', shape: [32, 2], type: 2, byteLength: 36 },
      { name: 'cube', shape: [2, 2, 1, 2], type: 0, byteLength: 32 },
    ]);
    expect(await readTensor(file, getTensor(file, 'q4'))).toEqual(new Uint8Array(36).fill(7));
    const cube = await readTensor(file, getTensor(file, 'cube'), 4, 8);
    expect(new Float32Array(cube.slice().buffer)).toEqual(Float32Array.of(2, 3));
    await expect(readTensor(file, getTensor(file, 'one'), 0, 5)).rejects.toThrow('outside of its 4');
    expect(() => getTensor(file, 'two')).toThrow('missing tensor "two"');
  });

  it.each([1, 8, 64, 4096])('keeps an alignment of %i', async (alignment) => {
    const bytes = await build({ alignment, tensors: [f32Tensor('a', [1]), f32Tensor('b', [2])] });
    const file = await parse(bytes);
    expect(file.alignment).toBe(alignment);
    for (const tensor of file.tensors) expect(tensor.offset % alignment).toBe(0);
    expect(await readTensor(file, file.tensors[1]!)).toEqual(new Uint8Array(Float32Array.of(2).buffer));
  });

  it('takes data from callbacks and iterables, in order and one at a time', async () => {
    const asked: string[] = [];
    const sink = memorySink();
    await writeGguf(sink, {
      metadata: new Map(),
      tensors: [
        { name: 'sync', type: 24, shape: [2], data: () => (asked.push('sync'), Uint8Array.of(1, 2)) },
        { name: 'promise', type: 24, shape: [2], data: () => Promise.resolve(Uint8Array.of(3, 4)) },
        { name: 'list', type: 24, shape: [3], data: () => [Uint8Array.of(5), Uint8Array.of(6, 7)] },
        {
          name: 'stream',
          type: 24,
          shape: [100_000],
          data: async function* () {
            asked.push('stream');
            await Promise.resolve();
            for (let i = 0; i < 10; i++) yield new Uint8Array(10_000).fill(i);
          },
        },
      ],
    });
    expect(asked).toEqual(['sync', 'stream']);
    const file = await parse(sink.bytes());
    const read = (name: string): Promise<Uint8Array> => readTensor(file, getTensor(file, name));
    expect([...(await read('sync')), ...(await read('promise')), ...(await read('list'))]).toEqual([
      1, 2, 3, 4, 5, 6, 7,
    ]);
    expect((await read('stream')).filter((_, i) => i % 10_000 === 9999)).toEqual(
      Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    );
  });
});
