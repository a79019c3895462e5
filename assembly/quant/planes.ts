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

// Packing. Steps are vectors as above, weights in the low bits of their bytes, 16 columns of four rows.

/** Vectors 0..3 of a plane of nibbles or bytes, 32 bytes apart at `to`. */
// @ts-ignore: decorator
@inline export function storeVectors(to: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
  v128.store(to, s0); v128.store(to, s1, 32); v128.store(to, s2, 64); v128.store(to, s3, 96);
}

/** 16 nibbles at `shift` (0 or 4) of the bytes at `from`. */
// @ts-ignore: decorator
@inline export function nibblesAt(from: usize, shift: u32): v128 {
  return v128.and(i16x8.shr_u(v128.load(from), shift), v128.load(MASK_0F));
}

/** 16 pairs of bits at `shift` of the bytes at `from`. */
// @ts-ignore: decorator
@inline export function pairsAt(from: usize, shift: u32): v128 {
  return v128.and(i16x8.shr_u(v128.load(from), shift), v128.load(MASK_03));
}

/** Of steps 4p .. 4p + 3, vector (p, v) of the 2-bit plane. */
// @ts-ignore: decorator
@inline export function twoBitsOf(s0: v128, s1: v128, s2: v128, s3: v128): v128 {
  return v128.or(v128.or(s0, i16x8.shl(s1, 2)), v128.or(i16x8.shl(s2, 4), i16x8.shl(s3, 6)));
}

/** Of the steps of half h, vectors (h, 0, v), (h, 1, v) and (h, 2, v) of the 6-bit plane, 32 bytes apart at `to`. */
// @ts-ignore: decorator
@inline export function storeSixBits(to: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
  const mask = v128.load(MASK_03);
  v128.store(to, v128.or(s0, i16x8.shl(v128.and(s3, mask), 6)));
  v128.store(to, v128.or(s1, i16x8.shl(v128.and(i16x8.shr_u(s3, 2), mask), 6)), 32);
  v128.store(to, v128.or(s2, i16x8.shl(v128.and(i16x8.shr_u(s3, 4), mask), 6)), 64);
}

/** Vectors of low and high nibbles. */
// @ts-ignore: decorator
@inline export function nibblesOf(low: v128, high: v128): v128 {
  return v128.or(low, i16x8.shl(high, 4));
}

/** Row r of the 1-bit plane, from 32 bits, bit k for column k. */
// @ts-ignore: decorator
@inline export function storeBits(plane: usize, r: usize, bits: u32): void {
  // Lane j: bit i of byte j of the word, at bit 4i.
  let lanes = v128.and(i32x4.shr_u(i32x4.mul(i32x4.splat(bits), i32x4(8, 4, 2, 1)), 3), i32x4.splat(0x11111111));
  lanes = v128.and(v128.or(lanes, i32x4.shr_u(lanes, 3)), i32x4.splat(0x03030303));
  lanes = v128.and(v128.or(lanes, i32x4.shr_u(lanes, 6)), i32x4.splat(0x000f000f));
  lanes = v128.or(lanes, i32x4.shr_u(lanes, 12));
  lanes = v128.shuffle<i8>(lanes, lanes, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
  store<u32>(plane + (r << 2), i32x4.extract_lane(lanes, 0));
}

/**
 * Row r of the 1-bit planes of 8 blocks, `blockBytes` apart, from 32 bytes: bit b of byte l for column l of block b.
 * Bytes l = 4i + j of one j are a matrix of 8 x 8 bits (i, b), to be transposed; two such fit a vector.
 */
// @ts-ignore: decorator
@inline export function storeBitsOfBlocks(plane: usize, blockBytes: usize, r: usize, from: usize): void {
  const a = v128.load(from), b = v128.load(from, 16);
  const even = transposeBits(v128.shuffle<i8>(a, b, 0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29));
  const odd = transposeBits(v128.shuffle<i8>(a, b, 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31));
  plane += r << 2;
  storeWords(v128.shuffle<i8>(even, odd, 0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27), plane, blockBytes);
  storeWords(
    v128.shuffle<i8>(even, odd, 4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31), plane + (blockBytes << 2), blockBytes,
  );
}

// @ts-ignore: decorator
@inline function storeWords(words: v128, to: usize, step: usize): void {
  store<u32>(to, i32x4.extract_lane(words, 0));
  store<u32>(to + step, i32x4.extract_lane(words, 1));
  store<u32>(to + 2 * step, i32x4.extract_lane(words, 2));
  store<u32>(to + 3 * step, i32x4.extract_lane(words, 3));
}

/** Bit b of byte i of each half becomes bit i of byte b. */
// @ts-ignore: decorator
@inline function transposeBits(x: v128): v128 {
  x = exchange(x, 7, 0x00aa00aa00aa00aa);
  x = exchange(x, 14, 0x0000cccc0000cccc);
  return exchange(x, 28, 0x00000000f0f0f0f0);
}

/** Exchanges the bits of `mask` with those that are `distance` higher. */
// @ts-ignore: decorator
@inline function exchange(x: v128, distance: i32, mask: u64): v128 {
  const t = v128.and(v128.xor(x, i64x2.shr_u(x, distance)), i64x2.splat(mask));
  return v128.xor(x, v128.xor(t, i64x2.shl(t, distance)));
}
