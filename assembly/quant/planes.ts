/**
 * How the bits of a weight are spread over a block of 8 rows x 32 columns. A step is 4 columns; a vector
 * holds one step of 4 rows, one byte per weight, rows outermost:
 *
 *   byte  0      1      2      3      4 ...         15
 *         r0 k0  r0 k1  r0 k2  r0 k3  r1 k0 ...     r3 k3
 *
 *   nibble plane, 128 bytes   vector (i, v) at 32i + 16v, i = 0..3: low nibble step i, high nibble step i + 4
 *   paired nibbles, 128       vector (i, v) at 32i + 16v, i = 0..3: low nibble step 2i, high nibble step 2i + 1
 *   2-bit plane, 64 bytes     vector (p, v) at 32p + 16v: bits 2m, 2m+1 belong to step 4p + m
 *   1-bit plane, 32 bytes     vector v at 16v: bit i belongs to step i
 *   6-bit plane, 192 bytes    vector (h, j, v) at 96h + 32j + 16v, j = 0..2: bits 0..5 step 4h + j; bits 6, 7 are bits
 *                             2j, 2j + 1 of step 4h + 3
 *
 * `i` and `v` are constants wherever speed matters, so every branch below folds away and one load serves
 * all steps that share a vector.
 */
import { DOT4, dotSteps, MASK_03, MASK_04, MASK_0C, MASK_0F, MASK_10, MASK_30, MASK_3F } from '../isa';

// @ts-ignore: decorator
@inline export function nibble(plane: usize, v: i32, i: i32): v128 {
  const at = plane + ((i & 3) << 5) + (v << 4);
  if (i < 4) return lowNibbles(v128.load(at));
  return highNibbles(v128.load(at));
}

// @ts-ignore: decorator
@inline export function pairedNibble(plane: usize, v: i32, i: i32): v128 {
  const bytes = v128.load(plane + ((i >> 1) << 5) + (v << 4));
  return i & 1 ? highNibbles(bytes) : lowNibbles(bytes);
}

// @ts-ignore: decorator
@inline export function lowNibbles(bytes: v128): v128 {
  return v128.and(bytes, v128.load(MASK_0F));
}

// @ts-ignore: decorator
@inline export function highNibbles(bytes: v128): v128 {
  // ARM shifts bytes; x86 does not.
  if (VARIANT == DOT4) return i8x16.shr_u(bytes, 4);
  // i16 lanes: the mask also drops the bits that cross from one byte to the other.
  return v128.and(i16x8.shr_u(bytes, 4), v128.load(MASK_0F));
}

/** Bits shifted so that bit `from` of each byte comes to bit `to`, not yet masked. */
// @ts-ignore: decorator
@inline function moved(bytes: v128, from: i32, to: i32): v128 {
  if (from < to) return i16x8.shl(bytes, to - from);
  if (from > to) return i16x8.shr_u(bytes, from - to);
  return bytes;
}

/** The 2-bit plane's bits as 0..3. */
// @ts-ignore: decorator
@inline export function twoBits(plane: usize, v: i32, i: i32): v128 {
  return v128.and(moved(v128.load(plane + ((i >> 2) << 5) + (v << 4)), (i & 3) << 1, 0), v128.load(MASK_03));
}

/** The 6-bit plane's weights: three of four need nothing but a mask. */
// @ts-ignore: decorator
@inline export function sixBits(plane: usize, v: i32, i: i32): v128 {
  const at = plane + <usize>((i >> 2) * 96 + (v << 4));
  if ((i & 3) < 3) return v128.and(v128.load(at + ((i & 3) << 5)), v128.load(MASK_3F));
  const low = v128.and(moved(v128.load(at), 6, 0), v128.load(MASK_03));
  const middle = v128.and(moved(v128.load(at, 32), 6, 2), v128.load(MASK_0C));
  return v128.or(v128.or(low, middle), v128.and(moved(v128.load(at, 64), 6, 4), v128.load(MASK_30)));
}

/** The dot steps of 16 columns whose 6-bit plane begins at `plane`. Three loads serve four steps. */
// @ts-ignore: decorator
@inline export function dotSixBits(plane: usize, v: i32, acc: v128, x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  const at = plane + <usize>(v << 4), mask = v128.load(MASK_3F);
  const a = v128.load(at), b = v128.load(at, 32), c = v128.load(at, 64);
  const w0 = v128.and(a, mask), w1 = v128.and(b, mask), w2 = v128.and(c, mask);
  const low = i16x8.shr_u(v128.xor(a, w0), 6), middle = i16x8.shr_u(v128.xor(b, w1), 4), high = i16x8.shr_u(v128.xor(c, w2), 2);
  return dotSteps(acc, x0, w0, x1, w1, x2, w2, x3, v128.or(v128.or(low, middle), high));
}

/** A vector of the 1-bit plane. */
// @ts-ignore: decorator
@inline export function bits(plane: usize, v: i32): v128 {
  return v128.load(plane + (v << 4));
}

/** Bit i in place above a nibble: 0 or 16. */
// @ts-ignore: decorator
@inline export function fifthBit(bits: v128, i: i32): v128 {
  return v128.and(moved(bits, i, 4), v128.load(MASK_10));
}

/** Bit i in place above two bits: 0 or 4. */
// @ts-ignore: decorator
@inline export function thirdBit(bits: v128, i: i32): v128 {
  return v128.and(moved(bits, i, 2), v128.load(MASK_04));
}

// Packing: one row's part of a plane, from ggml's order. A word is the four bytes of one step.

/** Step i (`low`) and step i + 4 (`high`), both masked to 4 bits. */
// @ts-ignore: decorator
@inline export function storeNibbles(plane: usize, r: usize, i: usize, low: u32, high: u32): void {
  store<u32>(plane + (i << 5) + (r << 2), low | (high << 4));
}

/** Steps 2i (`even`) and 2i + 1 (`odd`), both masked to 4 bits. */
// @ts-ignore: decorator
@inline export function storePairedNibbles(plane: usize, r: usize, i: usize, even: u32, odd: u32): void {
  store<u32>(plane + (i << 5) + (r << 2), even | (odd << 4));
}

/** 16 bytes that are already low nibble column k, high nibble column k + 16. */
// @ts-ignore: decorator
@inline export function storeNibbleWords(plane: usize, r: usize, from: usize): void {
  plane += r << 2;
  store<u32>(plane, load<u32>(from));
  store<u32>(plane, load<u32>(from, 4), 32);
  store<u32>(plane, load<u32>(from, 8), 64);
  store<u32>(plane, load<u32>(from, 12), 96);
}

/** The bit pairs at `shift` of 32 bytes, one per column. */
// @ts-ignore: decorator
@inline export function storeTwoBits(plane: usize, r: usize, from: usize, shift: u32): void {
  for (let half: usize = 0; half < 2; half++) {
    let word: u32 = 0;
    for (let m: usize = 0; m < 4; m++) {
      word |= ((load<u32>(from + (half << 4) + (m << 2)) >> shift) & 0x03030303) << <u32>(m << 1);
    }
    store<u32>(plane + (half << 5) + (r << 2), word);
  }
}

/** Four words of 6 bits a byte: the steps of half h. */
// @ts-ignore: decorator
@inline export function storeSixBits(plane: usize, r: usize, h: usize, s0: u32, s1: u32, s2: u32, s3: u32): void {
  const at = plane + h * 96 + (r << 2);
  store<u32>(at, s0 | ((s3 & 0x03030303) << 6));
  store<u32>(at, s1 | ((s3 & 0x0c0c0c0c) << 4), 32);
  store<u32>(at, s2 | ((s3 & 0x30303030) << 2), 64);
}

/** 32 bits, bit k for column k. */
// @ts-ignore: decorator
@inline export function storeBits(plane: usize, r: usize, bits: u32): void {
  let word: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const step = (bits >> (i << 2)) & 15;
    // Bit j of the step to bit 0 of byte j.
    word |= ((step | (step << 7) | (step << 14) | (step << 21)) & 0x01010101) << i;
  }
  store<u32>(plane + (r << 2), word);
}
