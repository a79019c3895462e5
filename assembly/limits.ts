/**
 * What this machine can do at most, through WebAssembly: loops without anything else in them. Benchmarks hold the
 * kernels' rates against them (tools/limits).
 */
import { MASK_03, dotStep, madd } from './isa';

// @ts-ignore: decorator
@lazy const HALVES: usize = memory.data<f32>([0.5, 0.5, 0.5, 0.5], 16);


/**
 * `rounds` times 12 dot steps (16 multiply-accumulates each) between registers. Every step multiplies what the one
 * before it has left, so that no compiler can take a product out of the loop.
 */
export function spinDots(rounds: i32, to: usize): void {
  const w = v128.load(MASK_03);
  let a = i8x16.splat(1), b = i8x16.splat(2), c = i8x16.splat(3), d = i8x16.splat(4);
  let e = i8x16.splat(5), f = i8x16.splat(6), g = i8x16.splat(7), h = i8x16.splat(8);
  let i = i8x16.splat(9), j = i8x16.splat(10), k = i8x16.splat(11), l = i8x16.splat(12);
  for (; rounds > 0; rounds--) {
    a = dotStep(a, a, w); b = dotStep(b, b, w); c = dotStep(c, c, w); d = dotStep(d, d, w);
    e = dotStep(e, e, w); f = dotStep(f, f, w); g = dotStep(g, g, w); h = dotStep(h, h, w);
    i = dotStep(i, i, w); j = dotStep(j, j, w); k = dotStep(k, k, w); l = dotStep(l, l, w);
  }
  keep(to, a, b, c, d, e, f);
  keep(to + 96, g, h, i, j, k, l);
}

/** The same with f32: 4 multiply-accumulates a step. The values converge, none becomes subnormal or infinite. */
export function spinMadds(rounds: i32, to: usize): void {
  const w = v128.load(HALVES);
  let a = f32x4.splat(1), b = f32x4.splat(2), c = f32x4.splat(3), d = f32x4.splat(4);
  let e = f32x4.splat(5), f = f32x4.splat(6), g = f32x4.splat(7), h = f32x4.splat(8);
  let i = f32x4.splat(9), j = f32x4.splat(10), k = f32x4.splat(11), l = f32x4.splat(12);
  for (; rounds > 0; rounds--) {
    a = madd(a, w, w); b = madd(b, w, w); c = madd(c, w, w); d = madd(d, w, w);
    e = madd(e, w, w); f = madd(f, w, w); g = madd(g, w, w); h = madd(h, w, w);
    i = madd(i, w, w); j = madd(j, w, w); k = madd(k, w, w); l = madd(l, w, w);
  }
  keep(to, a, b, c, d, e, f);
  keep(to + 96, g, h, i, j, k, l);
}

// @ts-ignore: decorator
@inline function keep(to: usize, a: v128, b: v128, c: v128, d: v128, e: v128, f: v128): void {
  v128.store(to, a); v128.store(to, b, 16); v128.store(to, c, 32);
  v128.store(to, d, 48); v128.store(to, e, 64); v128.store(to, f, 80);
}

/** Reads `bytes` (a multiple of 128) from two streams, as the GEMV kernels do, and does next to nothing with them. */
export function readAll(from: usize, bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  const half = bytes >> 1;
  for (const end = from + half; from < end; from += 64) {
    const other = from + half;
    a = v128.xor(a, v128.xor(v128.load(from), v128.load(from, 16)));
    b = v128.xor(b, v128.xor(v128.load(from, 32), v128.load(from, 48)));
    c = v128.xor(c, v128.xor(v128.load(other), v128.load(other, 16)));
    d = v128.xor(d, v128.xor(v128.load(other, 32), v128.load(other, 48)));
  }
  a = v128.xor(v128.xor(a, b), v128.xor(c, d));
  return i32x4.extract_lane(a, 0) ^ i32x4.extract_lane(a, 1) ^ i32x4.extract_lane(a, 2) ^ i32x4.extract_lane(a, 3);
}
