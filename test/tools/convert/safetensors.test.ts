import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors.ts';
import { readSafetensors } from '../../../tools/convert/safetensors.ts';
import { floats, safetensors, sourceOf, withHeader } from './checkpoints.ts';

const read = (bytes: Uint8Array) => readSafetensors(sourceOf(bytes));

describe('readSafetensors', () => {
  it('gives names, types, shapes and places', async () => {
    const bytes = safetensors({
      a: floats([2, 3], [1, 2, 3, 4, 5, 6]),
      scalar: floats([], [7]),
      none: floats([0], []),
    });
    const tensors = await read(bytes);
    expect(tensors.map(({ name, dtype, shape, byteLength }) => [name, dtype, shape, byteLength])).toEqual([
      ['a', 'F32', [2, 3], 24],
      ['scalar', 'F32', [], 4],
      ['none', 'F32', [0], 0],
    ]);
    const scalar = await tensors[1]!.source.read(tensors[1]!.offset, 4);
    expect(new Float32Array(scalar.slice().buffer)[0]).toBe(7);
  });

  const entry = (fields: object): string =>
    JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...fields } });
  const DATA = [new Uint8Array(8)];
  it.each<[string, Uint8Array, RegExp]>([
    [
      'a pointer in the place of the file',
      new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n'),
      /Git LFS pointer/,
    ],
    ['too short', new Uint8Array(3), /too short/],
    [
      'a header longer than the file',
      withHeader('{}').fill(255, 0, 8),
      /not a safetensors file, or truncated/,
    ],
    ['a header of 2^40 bytes', withHeader('{}').fill(1, 5, 6), /not a safetensors file, or truncated/],
    ['no JSON', withHeader('PK junk'), /no JSON object/],
    ['no UTF-8', withHeader(entry({})).fill(0xff, 11, 12), /no UTF-8/],
    ['a byte order mark', withHeader(`\ufeff${entry({})}`, DATA), /no JSON object/],
    ['NaN as a size', withHeader(entry({}).replace('[2]', '[NaN]'), DATA), /no valid JSON/],
    ['an infinite size', withHeader(entry({}).replace('[2]', '[1e999]'), DATA), /not a list of sizes/],
    [
      'a name twice with other bytes',
      withHeader(
        `${entry({ shape: [1], data_offsets: [0, 4] }).slice(0, -1)},${entry({ shape: [1], data_offsets: [4, 8] }).slice(1)}`,
        DATA,
      ),
      /hole or overlap/,
    ],
    ['brackets in brackets', withHeader(`{"a": ${'['.repeat(1e6)}`), /no valid JSON/],
    ['broken JSON', withHeader('{"a": '), /no valid JSON/],
    ['an entry that is no object', withHeader('{"a": 7}'), /no object/],
    ['an unknown type', withHeader(entry({ dtype: 'F4' }), DATA), /unknown type "F4"/],
    ['a type from the prototype', withHeader(entry({ dtype: 'constructor' }), DATA), /unknown type/],
    ['a negative size', withHeader(entry({ shape: [-2] }), DATA), /not a list of sizes/],
    ['half a size', withHeader(entry({ shape: [0.5] }), DATA), /not a list of sizes/],
    ['many dimensions', withHeader(entry({ shape: Array(20).fill(1) }), DATA), /not a list of sizes/],
    [
      'sizes whose product is beyond all numbers',
      withHeader(entry({ shape: Array(8).fill(2 ** 52) }), DATA),
      /do not fit the shape/,
    ],
    ['an end before the start', withHeader(entry({ data_offsets: [8, 0] }), DATA), /outside of the file/],
    [
      'bytes beyond the end',
      withHeader(entry({ shape: [4], data_offsets: [0, 16] }), DATA),
      /outside of the file/,
    ],
    [
      'bytes that do not fit the shape',
      withHeader(entry({ shape: [3] }), DATA),
      /8 bytes do not fit the shape \[3\]/,
    ],
    ['a hole', withHeader(entry({ shape: [1], data_offsets: [4, 8] }), DATA), /hole or overlap/],
    [
      'bytes of nobody',
      withHeader(entry({ shape: [1], data_offsets: [0, 4] }), DATA),
      /4 bytes that belong to no tensor/,
    ],
    [
      'an overlap',
      withHeader(
        JSON.stringify({
          a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
          b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
        }),
        DATA,
      ),
      /hole or overlap/,
    ],
  ])('refuses %s', async (_, bytes, message) => {
    const failed = read(bytes);
    await expect(failed).rejects.toThrow(CheckpointError);
    await expect(failed).rejects.toThrow(message);
  });

  it('refuses or reads whatever is changed in a file, and never fails in another way', async () => {
    const whole = safetensors({ a: floats([2, 3], [1, 2, 3, 4, 5, 6]), b: floats([1], [7]) });
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(whole.length),
        async (at, value, cut) => {
          for (const bytes of [whole.slice().fill(value, at, at + 1), whole.slice(0, cut)]) {
            try {
              for (const { offset, byteLength } of await read(bytes)) {
                expect(offset + byteLength).toBeLessThanOrEqual(bytes.length);
              }
            } catch (error) {
              expect(error).toBeInstanceOf(CheckpointError);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
