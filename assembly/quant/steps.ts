/** How a GEMV walks the steps of a block of activations, which differs with the registers that a CPU has. */
import { DOT4, dotStep } from '../isa';

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

/** Row groups of a stream that meet the same activations in a GEMV's registers, of which ARM has enough. */
// @ts-ignore: decorator
@inline export function groupsAtOnce(): i32 {
  return VARIANT == DOT4 ? 2 : 1;
}

/** 16 bytes of an activation block, for lanes to be repeated from registers (ARM); else nothing is loaded. */
// @ts-ignore: decorator
@inline export function quarter(x: usize): v128 {
  if (fromRegisters()) return v128.load(x);
  return i32x4.splat(0);
}

/** 32-bit lane i of four, repeated. */
// @ts-ignore: decorator
@inline export function lane(four: v128, i: i32): v128 {
  if (i == 0) return v128.shuffle<i32>(four, four, 0, 0, 0, 0);
  if (i == 1) return v128.shuffle<i32>(four, four, 1, 1, 1, 1);
  if (i == 2) return v128.shuffle<i32>(four, four, 2, 2, 2, 2);
  return v128.shuffle<i32>(four, four, 3, 3, 3, 3);
}

/** 4 bytes at x + 4i, repeated: from memory, or lane i mod 4 of the `quarter` that holds them. */
// @ts-ignore: decorator
@inline export function repeated(quarter: v128, x: usize, i: i32): v128 {
  return fromRegisters() ? lane(quarter, i & 3) : v128.load32_splat(x + (i << 2));
}

/** acc += the products of 4 steps: activations s0..s3, repeated, with the weights w0..w3 of four rows. */
// @ts-ignore: decorator
@inline export function fourSteps(
  acc: v128, s0: v128, s1: v128, s2: v128, s3: v128, w0: v128, w1: v128, w2: v128, w3: v128,
): v128 {
  acc = dotStep(acc, s0, w0); acc = dotStep(acc, s1, w1);
  acc = dotStep(acc, s2, w2); return dotStep(acc, s3, w3);
}

/** The same of 8 steps. */
// @ts-ignore: decorator
@inline export function eightSteps(
  acc: v128, s0: v128, s1: v128, s2: v128, s3: v128, s4: v128, s5: v128, s6: v128, s7: v128,
  w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128,
): v128 {
  return fourSteps(fourSteps(acc, s0, s1, s2, s3, w0, w1, w2, w3), s4, s5, s6, s7, w4, w5, w6, w7);
}

/**
 * The same with weights from memory: a block of format F at w, row vector v. Steps i and i + 4 stand together because
 * they share vectors of a nibble plane.
 */
// @ts-ignore: decorator
@inline export function dotBlock<F>(
  f: F, w: usize, v: i32, acc: v128, s0: v128, s1: v128, s2: v128, s3: v128, s4: v128, s5: v128, s6: v128, s7: v128,
): v128 {
  acc = dotStep(acc, s0, f.weights(w, v, 0)); acc = dotStep(acc, s4, f.weights(w, v, 4));
  acc = dotStep(acc, s1, f.weights(w, v, 1)); acc = dotStep(acc, s5, f.weights(w, v, 5));
  acc = dotStep(acc, s2, f.weights(w, v, 2)); acc = dotStep(acc, s6, f.weights(w, v, 6));
  acc = dotStep(acc, s3, f.weights(w, v, 3)); acc = dotStep(acc, s7, f.weights(w, v, 7));
  return acc;
}
