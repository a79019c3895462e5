/**
 * The random numbers behind sampling: xoshiro128** 1.1 (Blackman and Vigna, https://prng.di.unimi.it), seeded
 * with SplitMix64 as its authors advise. Only 32-bit integer operations, so a seed gives the same text on every
 * host. Math.random has no seed; a cryptographic generator would be slower and no better here.
 */
export interface Random {
  /** An unsigned 32-bit integer. */
  uint32(): number;
  /** A float in [0, 1) with all 53 bits of its mantissa drawn (as MT19937's genrand_res53). */
  next(): number;
}

const MASK64 = (1n << 64n) - 1n;

/** One SplitMix64 step: [next state, output]. */
function splitMix64(state: bigint): [bigint, bigint] {
  const next = (state + 0x9e3779b97f4a7c15n) & MASK64;
  let z = next;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK64;
  return [next, z ^ (z >> 31n)];
}

/** The generator with its 128 bits of state given; all zero is the one state that never leaves itself. */
export function xoshiro128(state: readonly [number, number, number, number]): Random {
  let [s0, s1, s2, s3] = state;
  const uint32 = (): number => {
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = (s3 << 11) | (s3 >>> 21);
    return result;
  };
  const next = (): number => {
    const high = uint32() >>> 5;
    const low = uint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  };
  return { uint32, next };
}

/** `seed`: a non-negative safe integer. */
export function seededRandom(seed: number): Random {
  const [first, a] = splitMix64(BigInt(seed));
  const [, b] = splitMix64(first);
  const low = (x: bigint): number => Number(x & 0xffffffffn);
  const high = (x: bigint): number => Number(x >> 32n);
  return xoshiro128([low(a), high(a), low(b), high(b)]);
}

/** A seed for when none was given: 32 bits, so that it is short enough to be typed again. */
export function randomSeed(): number {
  return Math.floor(Math.random() * 0x100000000);
}
