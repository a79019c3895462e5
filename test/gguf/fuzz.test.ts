/** Mutated bytes of real headers: a GgufError or a valid file, quickly, and never more memory than the file is. */
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GgufError } from '../../src/errors.ts';
import { readGguf, u32, type ByteSource, type GgufFile, type GgufValue } from '../../src/gguf/index.ts';
import { build, f32Tensor, pairs, parse } from './helpers.ts';

const RUNS = Number(process.env['NIBBLE_FUZZ_RUNS'] ?? 2000);

/** A source that owns up to what it was asked for. */
function watchedSource(bytes: Uint8Array): ByteSource & { asked: number } {
  return {
    name: 'fuzz.gguf',
    size: bytes.length,
    asked: 0,
    read(offset, length) {
      this.asked += length;
      if (offset < 0 || offset + length > bytes.length) throw new Error('read outside of the source');
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
    close: () => Promise.resolve(),
  };
}

/** Bytes that the values take at the least. */
function footprint(value: GgufValue): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object') return 1;
  if (ArrayBuffer.isView(value)) return value.buffer.byteLength;
  return (value as GgufValue[]).reduce<number>((sum, item) => sum + footprint(item), 0);
}

function checkSane(file: GgufFile, size: number): void {
  let bytes = 0;
  for (const value of file.metadata.values()) bytes += footprint(value);
  expect(bytes).toBeLessThanOrEqual(size);
  for (const { offset, byteLength } of file.tensors) expect(offset + byteLength).toBeLessThanOrEqual(size);
}

async function survives(bytes: Uint8Array): Promise<void> {
  const source = watchedSource(bytes);
  const start = performance.now();
  try {
    checkSane(await readGguf(source), bytes.length);
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    expect(error.message).toMatch(/^fuzz\.gguf: /);
    expect(error.message.length).toBeLessThan(1000);
  }
  // Windows may overlap by what was left of the one before.
  expect(source.asked).toBeLessThanOrEqual(2 * bytes.length + 16);
  expect(performance.now() - start).toBeLessThan(2000);
}

/** Evenly spread: fc.double() draws bit patterns, nearly all of which are close to 0. */
const fraction = fc.noBias(fc.integer({ min: 0, max: 999_999 })).map((value) => value / 1e6);

const mutation = fc.oneof(
  // A small change of one byte: counts, sizes and types that are only a little wrong.
  fc.record({
    at: fraction,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 1, max: 64 }),
  }),
  fc.record({
    at: fraction,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  }),
  // What breaks parsers: extreme counts and lengths, at the places where numbers stand.
  fc.record({
    at: fraction,
    bytes: fc
      .constantFrom(
        0n,
        1n,
        9n,
        31n,
        2n ** 31n,
        2n ** 32n - 1n,
        2n ** 40n,
        2n ** 53n,
        2n ** 60n,
        2n ** 63n,
        2n ** 64n - 1n,
      )
      .map((value) => new Uint8Array(BigUint64Array.of(value).buffer)),
  }),
);

function mutate(
  header: Uint8Array,
  changes: readonly { at: number; bytes: Uint8Array }[],
  cut: number,
  span: number,
): Uint8Array {
  const copy = header.slice(0, Math.ceil(header.length * cut));
  for (const { at, bytes } of changes) {
    const start = Math.min(
      Math.floor(at * Math.min(span, copy.length)),
      Math.max(0, copy.length - bytes.length),
    );
    copy.set(bytes.subarray(0, copy.length - start), start);
  }
  return copy;
}

describe('fuzz', () => {
  const fixture = (name: string): Uint8Array =>
    readFileSync(new URL(`../fixtures/gguf/${name}`, import.meta.url));
  const subjects = {
    // So short that every byte is hit many times.
    tiny: build({ metadata: pairs({ k: 'v' }), tensors: [f32Tensor('t', [1]), f32Tensor('u', [2])] }),
    small: build({
      metadata: pairs({
        a: u32(1),
        text: 'some text',
        words: ['x', 'yy', 'zzz'],
        nested: [[Int32Array.of(1)]],
        f: [true],
      }),
      tensors: [f32Tensor('t', [1, 2, 3]), f32Tensor('u', [4])],
    }),
    qwen2: Promise.resolve(fixture('qwen2.F32.gguf')),
    moe: Promise.resolve(fixture('llama-quant-moe.MXFP4_MOE.gguf')),
  };
  const share = { tiny: 0.4, small: 0.3, qwen2: 0.15, moe: 0.15 };

  it.each(Object.keys(subjects) as (keyof typeof subjects)[])('%s', { timeout: 300_000 }, async (name) => {
    const header = await subjects[name];
    // Changes hit what is parsed: the bytes before the first tensor's data.
    const span = (await parse(header)).tensors[0]!.offset;
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fraction }),
        (changes, cut) => survives(mutate(header, changes, cut, span)),
      ),
      { numRuns: Math.ceil(RUNS * share[name]) },
    );
  });
});
