import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decode, recode } from '../../../tools/convert/encode.ts';
import { BF16, F16, F32, Q4_1, Q8_0 } from '../../../tools/convert/rows.ts';

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../fixtures/kernels/${name}`, import.meta.url)));
const bytesOf = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

describe('recode', () => {
  // Written by ggml from the same values: see the folder's README.
  const input = fixture('input.f32.bin');
  it.each([
    ['F16', F16],
    ['BF16', BF16],
    ['Q8_0', Q8_0],
  ])('%s is what ggml makes of the same values', (name, type) => {
    const made = recode(input, F32, type, 'input');
    const expected = fixture(`${name}.q.bin`);
    expect(made.length).toBe(expected.length);
    expect(Buffer.compare(made, expected)).toBe(0);
  });

  it.each([
    ['F16', F16],
    ['BF16', BF16],
    ['Q4_1', Q4_1],
  ])('%s reads as ggml reads it', (name, type) => {
    const expected = new Float32Array(fixture(`${name}.deq.f32.bin`).slice().buffer);
    expect(
      Buffer.compare(
        new Uint8Array(decode(type, fixture(`${name}.q.bin`)).buffer),
        new Uint8Array(expected.buffer),
      ),
    ).toBe(0);
  });

  it('refuses values that the type cannot hold', () => {
    expect(() => recode(bytesOf(1, 70000), F32, F16, 'w')).toThrow(
      /tensor "w" holds 70000, more than f16 can hold/,
    );
    expect(() => recode(bytesOf(...Array<number>(31).fill(1), 1e7), F32, Q8_0, 'w')).toThrow(/more than f16/);
    expect(recode(bytesOf(65519, -65519), F32, F16, 'w')).toEqual(new Uint8Array([255, 123, 255, 251]));
    expect(() => recode(bytesOf(NaN), F32, BF16, 'w')).toThrow(/damaged/);
    expect(() => recode(bytesOf(-Infinity), F32, F16, 'w')).toThrow(/damaged/);
  });
});
