import { describe, expect, it } from 'vitest';
import { sameBits } from './check.ts';
import { Machine, VARIANTS, useCompiler } from './machine.ts';
import { quantizeTwin } from './twins/activations.ts';
import { normals, random } from './twins/numbers.ts';

useCompiler('optimizing');

describe.each(VARIANTS)('%s: quantizeRow', (variant) => {
  const machine = new Machine(variant);

  /** Both forms of a row, checked against the twin and against each other. */
  function check(x: Float32Array): void {
    machine.reset();
    const blocks = x.length / 32;
    const from = machine.put(x);
    const [to8, to16] = [machine.alloc(48 * blocks), machine.alloc(80 * blocks)];
    machine.kernels.quantizeRow(from, x.length, to8, to16);
    const twin = quantizeTwin(x);
    const view = machine.view();
    for (let b = 0; b < blocks; b++) {
      const [block8, block16] = [to8 + 48 * b, to16 + 80 * b];
      const q = twin.q.slice(32 * b, 32 * b + 32);
      const scale = twin.scales[b]!;
      const sum = q.reduce((total, v) => total + v, 0);
      const pair = (end: number, odd: number) =>
        q.slice(0, end).reduce((total, v, k) => total + ((k >> 1) % 2 === odd ? v : 0), 0);
      for (let k = 0; k < 32; k++) {
        expect(view.getInt8(block8 + k), `block ${b}, q ${k}`).toBe(q[k]! + 0);
        expect(view.getInt16(block16 + 2 * k, true), `block ${b}, 16-bit q ${k}`).toBe(q[k]! + 0);
      }
      sameBits([view.getFloat32(block8 + 32, true)], [scale], 'scale');
      sameBits([view.getFloat32(block16 + 64, true)], [scale], 'scale of the 16-bit form');
      sameBits([view.getFloat32(block8 + 36, true)], [Math.fround(scale * sum)], 'scaled sum');
      const pairs = [pair(32, 0), pair(32, 1), pair(16, 0), pair(16, 1)];
      const sums =
        variant === 'dot4'
          ? [40, 44].map((at) => view.getInt32(block8 + at, true))
          : [40, 42, 44, 46].map((at) => view.getInt16(block8 + at, true));
      const expected = variant === 'dot4' ? [pairs[0]! + pairs[1]!, pairs[2]! + pairs[3]!] : pairs;
      expect(sums).toEqual(expected);
    }
    machine.checkFences();
  }

  it('rounds as the twin does, over 1 to 9 blocks', () => {
    for (let blocks = 1; blocks <= 9; blocks++) {
      for (const size of [1e-30, 1e-3, 1, 1e5, 1e6]) check(normals(32 * blocks, random(blocks), size));
    }
  });

  it('rounds ties to even', () => {
    const x = Float32Array.from({ length: 32 }, (_, k) => k - 15.5);
    x[0] = 127;
    check(x);
  });

  it('sums of one sign stay exact', () => {
    check(new Float32Array(32).fill(5));
    check(new Float32Array(32).fill(-5));
    check(Float32Array.from({ length: 64 }, (_, k) => (k % 4 < 2 ? 8.3e6 : -8.3e6)));
  });

  it('has no finite scale for what an f16 scale could not hold', () => {
    for (const size of [127 * 2 ** 16, 1e10, 3.4e38]) {
      machine.reset();
      const from = machine.put(Float32Array.from({ length: 32 }, (_, k) => (k === 7 ? -size : 1)));
      const [to8, to16] = [machine.alloc(48), machine.alloc(80)];
      machine.kernels.quantizeRow(from, 32, to8, to16);
      expect(machine.view().getFloat32(to8 + 32, true)).toBe(Infinity);
      expect(machine.view().getFloat32(to16 + 64, true)).toBe(Infinity);
    }
  });

  it('takes zeros and subnormal numbers', () => {
    for (const size of [0, 1e-45, 1e-40, 1e-38, 2 ** -126, 1e-37, 1e-36, 1e-35]) {
      check(Float32Array.from({ length: 64 }, (_, k) => size * ((k % 5) - 2)));
    }
  });

  it('marks a block with NaN or Inf by its scale, and no other', () => {
    for (let k = 0; k < 96; k += 5) {
      for (const value of [NaN, Infinity, -Infinity]) {
        const x = normals(96, random(k));
        x[k] = value;
        machine.reset();
        const from = machine.put(x);
        const [to8, to16] = [machine.alloc(144), machine.alloc(240)];
        machine.kernels.quantizeRow(from, 96, to8, to16);
        for (let b = 0; b < 3; b++) {
          const scales = [
            machine.view().getFloat32(to8 + 48 * b + 32, true),
            machine.view().getFloat32(to16 + 80 * b + 64, true),
          ];
          for (const scale of scales) expect(Number.isFinite(scale)).toBe(b !== k >> 5);
        }
      }
    }
  });

  it('writes only the form that is asked for', () => {
    const x = normals(64, random(1));
    machine.reset();
    const from = machine.put(x);
    const [to8, to16] = [machine.alloc(96), machine.alloc(160)];
    machine.kernels.quantizeRow(from, 64, to8, 0);
    expect(machine.u8(to16, 160).every((byte) => byte === 0x7f)).toBe(true);
    const kept = machine.u8(to8, 96).slice();
    machine.kernels.quantizeRow(from, 64, 0, to16);
    expect(machine.u8(to8, 96)).toEqual(kept);
  });
});
