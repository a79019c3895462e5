/** Workers that come late: what they must not do to a step that others have ended or begun. */
import { describe, expect, it } from 'vitest';
import * as C from '../../src/kernels/control.ts';
import { Machine } from './machine.ts';

describe('a late worker', () => {
  const machine = new Machine('simd');
  const words = new Int32Array(machine.memory.buffer);
  const tickets = 65536 * 2;
  words[C.TICKETS / 4] = tickets;

  it('does not end a step again when the next one has ended', () => {
    words[C.DONE / 4] = 6;
    machine.kernels.endStep(7);
    expect(words[C.DONE / 4]).toBe(7);
    machine.kernels.endStep(8);
    machine.kernels.endStep(7);
    expect(words[C.DONE / 4]).toBe(8);
  });

  it('takes nothing of its step once the next one has been begun', () => {
    machine.kernels.begin(3, 1);
    expect(machine.kernels.takeReceive(3)).toBe(1);
    expect(machine.kernels.takeReceive(3)).toBe(0);
    machine.kernels.begin(4, 1);
    expect(machine.kernels.takeReceive(3)).toBe(0);
    expect(machine.kernels.takeReceive(4)).toBe(1);
  });
});
