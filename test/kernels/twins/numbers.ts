/** Number formats, one value at a time, and pseudo-random numbers. All naive, for checking the kernels. */

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** Bits of a number as f32. */
export function bitsOf(x: number): number {
  f32[0] = x;
  return u32[0]!;
}

export function fromBits(bits: number): number {
  u32[0] = bits;
  return f32[0]!;
}

/** IEEE half precision to a number: exact. */
export function f16ToNumber(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const mantissa = h & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** The half nearest to x, ties to even; beyond the range the largest finite one, as the KV cache has it. */
export function numberToF16(x: number): number {
  if (Number.isNaN(x)) return 0x7e00;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const a = Math.abs(x);
  if (a >= 65520) return sign | 0x7bff;
  const exponent = Math.max(-14, a > 0 ? Math.floor(Math.log2(a)) : -14);
  // Within one of the true exponent; the two candidates around it decide.
  let best = 0;
  for (const e of [exponent - 1, exponent, exponent + 1]) {
    if (e < -14 || a < (e === -14 ? 0 : 2 ** e) || a >= 2 ** (e + 1)) continue;
    const steps = roundHalfEven(a / 2 ** (e - 10));
    best = e === -14 ? steps : ((e + 15) << 10) + (steps - 1024);
  }
  return sign | best;
}

export function bf16ToNumber(h: number): number {
  return fromBits((h << 16) >>> 0);
}

/** To the nearest integer, ties to even, as WebAssembly's `nearest`. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest < 0.5) return down;
  if (rest > 0.5) return down + 1;
  return down % 2 === 0 ? down : down + 1;
}

export interface Random {
  /** 0 <= x < 1 */
  uniform(): number;
  /** 0 <= x < n, whole */
  below(n: number): number;
  normal(): number;
}

/** A small generator (mulberry32), the same everywhere. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  function uniform(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  return {
    uniform,
    below: (n) => Math.floor(uniform() * n),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}

export function normals(count: number, source: Random, scale = 1): Float32Array {
  return Float32Array.from({ length: count }, () => source.normal() * scale);
}
