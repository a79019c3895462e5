import { describe, expect, it } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../../tools/convert/numbers.ts';
import {
  bf16ToNumber,
  bitsOf,
  f16ToNumber,
  normals,
  numberToF16,
  random,
} from '../../kernels/twins/numbers.ts';

const ALL = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const isNaN16 = (bits: number): boolean => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;

/** Random bit patterns, values around the limits of f16, and values halfway between two halves. */
function samples(): Float32Array {
  const source = random(1);
  const bits = Uint32Array.from({ length: 20_000 }, () => source.below(2 ** 32));
  const values = [...new Float32Array(bits.buffer), ...normals(10_000, random(2), 3)];
  for (let half = 0; half < 0x7c00; half += 7) {
    const middle = (f16ToNumber(half) + f16ToNumber(half + 1)) / 2;
    values.push(middle, -middle, middle * (1 + 2 ** -20), middle * (1 - 2 ** -20));
  }
  return Float32Array.from(values.filter((value) => !Number.isNaN(value)));
}

describe('f16', () => {
  it('every half as f32 and back', () => {
    const values = f16ToF32(ALL);
    for (const bits of ALL) if (!isNaN16(bits)) expect(Object.is(values[bits], f16ToNumber(bits))).toBe(true);
    const back = f32ToF16(values);
    for (const bits of ALL)
      expect(isNaN16(bits) ? isNaN16(back[bits]!) : back[bits]).toBe(isNaN16(bits) ? true : bits);
  });

  it('rounds to nearest, ties to even', () => {
    const values = samples();
    const halves = f32ToF16(values);
    values.forEach((value, i) => {
      // Beyond the largest half everything is infinite; the twin knows none.
      if (Math.abs(value) >= 65520) return expect(halves[i]! & 0x7fff).toBe(0x7c00);
      if (halves[i] !== numberToF16(value))
        throw new Error(`${value}: ${halves[i]}, not ${numberToF16(value)}`);
    });
  });
});

describe('bf16', () => {
  it('every bf16 as f32 and back', () => {
    const values = bf16ToF32(ALL);
    const back = f32ToBf16(values);
    for (const bits of ALL) {
      if (Number.isNaN(values[bits])) expect(Number.isNaN(bf16ToNumber(back[bits]!))).toBe(true);
      else expect([values[bits], back[bits]]).toEqual([bf16ToNumber(bits), bits]);
    }
  });

  it('rounds to nearest, ties to even', () => {
    const values = samples();
    f32ToBf16(values).forEach((bits, i) => {
      const exact = values[i]!;
      const [low, high] = [bitsOf(exact) >>> 16, (bitsOf(exact) >>> 16) + 1];
      const up = Math.abs(bf16ToNumber(high) - exact);
      const down = Math.abs(bf16ToNumber(low) - exact);
      if (Number.isFinite(bf16ToNumber(high)))
        expect(bits).toBe(up < down || (up === down && low & 1) ? high : low);
    });
  });
});
