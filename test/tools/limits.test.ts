import { describe, expect, it } from 'vitest';
import { measureBandwidth, measurePeak } from '../../tools/limits/measure.ts';
import { Machine, VARIANTS } from '../kernels/machine.ts';

describe.each([1, 2])('limits with %i threads', (threads) => {
  it('are rates', async () => {
    const options = { variant: 'simd', threads, milliseconds: 10, repeats: 1 } as const;
    const { int8, f32 } = await measurePeak(options);
    for (const rate of [int8, f32, await measureBandwidth(options)]) {
      expect(rate).toBeGreaterThan(0);
      expect(rate).toBeLessThan(1e6);
    }
  });
});

describe.each(VARIANTS)('loops of %s', (variant) => {
  const machine = new Machine(variant);

  it('read every byte once', () => {
    const bytes = new Uint8Array(4096).map((_, i) => (i * 37) >> 3);
    const at = machine.put(bytes);
    const words = new Int32Array(bytes.buffer);
    expect(machine.kernels.readAll(at, 4096)).toBe(words.reduce((all, word) => all ^ word, 0));
    machine.checkFences();
  });

  it('do as many rounds as they are told', () => {
    const at = machine.alloc(192);
    // x -> x / 2 + 1 / 2, from 1 to 12.
    machine.kernels.spinMadds(3, at);
    const expected = Array.from({ length: 48 }, (_, i) => 1 + (Math.floor(i / 4) + 1 - 1) / 8);
    expect([...machine.f32(at, 48)]).toEqual(expected);
    machine.kernels.spinDots(0, at);
    expect([...machine.u8(at, 192)]).toEqual(Array.from({ length: 192 }, (_, i) => 1 + (i >> 4)));
    machine.kernels.spinDots(1, at);
    const once = machine.u8(at, 192).slice();
    machine.kernels.spinDots(2, at);
    expect(machine.u8(at, 192).slice()).not.toEqual(once);
    machine.checkFences();
  });
});
