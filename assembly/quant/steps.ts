/** How a GEMV walks the steps of a block of activations, which differs with the registers that a CPU has. */
import { DOT4 } from '../isa';

/**
 * Whether to loop over the steps of a block, where every step is unpacked alike (`plain`). On x86, with 16 vector
 * registers, the loop keeps the compiler from moving all loads to the front and spilling them. On ARM, with 32,
 * what costs is the loop itself.
 */
// @ts-ignore: decorator
@inline export function looped(plain: bool): bool {
  return VARIANT != DOT4 && plain;
}

/** Whether four steps of activations are loaded at once and repeated from registers: one instruction each on ARM. */
// @ts-ignore: decorator
@inline export function fromRegisters(): bool {
  return VARIANT == DOT4;
}

/** 16 bytes of an activation block, for lanes to be repeated from registers (ARM); else nothing is loaded. */
// @ts-ignore: decorator
@inline export function quarter(x: usize): v128 {
  if (fromRegisters()) return v128.load(x);
  return i32x4.splat(0);
}

/** 4 bytes at x + 4i, repeated: from memory, or lane i mod 4 of the `quarter` that holds them. */
// @ts-ignore: decorator
@inline export function repeated(quarter: v128, x: usize, i: i32): v128 {
  if (!fromRegisters()) return v128.load32_splat(x + (i << 2));
  if ((i & 3) == 0) return v128.shuffle<i32>(quarter, quarter, 0, 0, 0, 0);
  if ((i & 3) == 1) return v128.shuffle<i32>(quarter, quarter, 1, 1, 1, 1);
  if ((i & 3) == 2) return v128.shuffle<i32>(quarter, quarter, 2, 2, 2, 2);
  return v128.shuffle<i32>(quarter, quarter, 3, 3, 3, 3);
}
