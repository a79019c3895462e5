/**
 * Stage 08: many tokens at once. A stretch of a row group is unpacked once, into scratch that stays in the first-level
 * cache, and meets all tokens, four at a time: eight accumulators, and every weight loaded serves four tokens.
 *
 *   unpacked block, 320 bytes: 8 steps of [4 columns x rows 0..3][4 columns x rows 4..7], scales, minimums as f32
 */
import { BLOCK, X_BYTES, X_SCALE, X_SUM, xStride } from '../kit/activations';
import { BLOCK_BYTES, GROUP_ROWS, groupBytes, minimums, packed, scales } from '../kit/q4-groups';
import { nextChunk } from '../kit/workers';

const UNPACKED_BYTES: usize = 320;
const SCALES: usize = 256;
const MINIMUMS: usize = 288;
/** Blocks unpacked at a time: 5 KB. */
const STRETCH = 16;

export function linear(
  weights: usize, activations: usize, output: usize, rows: i32, columns: i32, tokens: i32,
  worker: i32, workers: i32, counter: usize, scratch: usize,
): void {
  const groups = rows / GROUP_ROWS;
  for (let group = nextChunk(counter); group < groups; group = nextChunk(counter)) {
    const y = output + (<usize>group << 5);
    for (let token = 0; token < tokens; token++) {
      v128.store(y + (<usize>(token * rows) << 2), f32x4.splat(0));
      v128.store(y + (<usize>(token * rows) << 2), f32x4.splat(0), 16);
    }
    multiplyGroup(weights + <usize>group * groupBytes(columns), activations, y, rows, columns, tokens, scratch);
  }
}

/** Adds eight rows times all tokens to the sums at y. */
function multiplyGroup(
  w: usize, activations: usize, y: usize, rows: i32, columns: i32, tokens: i32, scratch: usize,
): void {
  const blocks = columns / BLOCK, xs = xStride(columns), ys = <usize>rows << 2;
  for (let b = 0; b < blocks; b += STRETCH) {
    const count = min(STRETCH, blocks - b);
    unpack(w + <usize>b * BLOCK_BYTES, scratch, count);
    let x = activations + <usize>b * X_BYTES, at = y, left = tokens;
    for (; left >= 4; left -= 4) {
      tile4(scratch, count, x, xs, at, ys);
      x += xs << 2;
      at += ys << 2;
    }
    for (; left > 0; left--) {
      tile1(scratch, count, x, at);
      x += xs;
      at += ys;
    }
  }
}

function unpack(w: usize, to: usize, blocks: i32): void {
  for (let b = 0; b < blocks; b++) {
    for (let i = 0; i < 4; i++) {
      const step = to + (<usize>i << 5), p0 = packed(w, i, 0), p1 = packed(w, i, 1);
      v128.store(step, v128.and(p0, i8x16.splat(15)));
      v128.store(step, v128.and(p1, i8x16.splat(15)), 16);
      v128.store(step, i8x16.shr_u(p0, 4), 128);
      v128.store(step, i8x16.shr_u(p1, 4), 144);
    }
    v128.store(to, scales(w, 0), SCALES);
    v128.store(to, scales(w, 1), SCALES + 16);
    v128.store(to, minimums(w, 0), MINIMUMS);
    v128.store(to, minimums(w, 1), MINIMUMS + 16);
    w += BLOCK_BYTES;
    to += UNPACKED_BYTES;
  }
}

/** Adds, for each of four rows, four products to that row's lane of `sums`. The 7-bit operand is the weight. */
// @ts-ignore: decorator
@inline function dot(x: v128, weights: v128, sums: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, weights, sums);
}

/** Adds a block's sums of four rows of one token, scaled, and the minimums. */
// @ts-ignore: decorator
@inline function addBlock(y: usize, dots: v128, u: usize, x: usize): void {
  const scaled = f32x4.mul(v128.load(u, SCALES), v128.load32_splat(x, X_SCALE));
  const sums = f32x4.relaxed_madd(f32x4.convert_i32x4_s(dots), scaled, v128.load(y));
  v128.store(y, f32x4.relaxed_madd(v128.load(u, MINIMUMS), v128.load32_splat(x, X_SUM), sums));
}

/** Eight rows times four tokens, `xs` bytes apart, over `blocks` unpacked blocks. */
function tile4(u: usize, blocks: i32, x0: usize, xs: usize, y0: usize, ys: usize): void {
  let x1 = x0 + xs, x2 = x1 + xs, x3 = x2 + xs;
  const y1 = y0 + ys, y2 = y1 + ys, y3 = y2 + ys;
  for (let b = 0; b < blocks; b++) {
    let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
    // A loop, not eight copies of its body: accumulators that go round a loop stay in registers.
    for (let i: usize = 0; i < 32; i += 4) {
      const w0 = v128.load(u + (i << 3)), w1 = v128.load(u + (i << 3), 16);
      let x = v128.load32_splat(x0 + i);
      a0 = dot(x, w0, a0); a1 = dot(x, w1, a1);
      x = v128.load32_splat(x1 + i);
      b0 = dot(x, w0, b0); b1 = dot(x, w1, b1);
      x = v128.load32_splat(x2 + i);
      c0 = dot(x, w0, c0); c1 = dot(x, w1, c1);
      x = v128.load32_splat(x3 + i);
      d0 = dot(x, w0, d0); d1 = dot(x, w1, d1);
    }
    addBlock(y0, a0, u, x0); addBlock(y0 + 16, a1, u + 16, x0);
    addBlock(y1, b0, u, x1); addBlock(y1 + 16, b1, u + 16, x1);
    addBlock(y2, c0, u, x2); addBlock(y2 + 16, c1, u + 16, x2);
    addBlock(y3, d0, u, x3); addBlock(y3 + 16, d1, u + 16, x3);
    u += UNPACKED_BYTES;
    x0 += X_BYTES; x1 += X_BYTES; x2 += X_BYTES; x3 += X_BYTES;
  }
}

/** Eight rows times the one token that is left of a number that is no multiple of four. */
function tile1(u: usize, blocks: i32, x: usize, y: usize): void {
  for (let b = 0; b < blocks; b++) {
    let a0 = i32x4.splat(0), a1 = a0;
    for (let i: usize = 0; i < 32; i += 4) {
      const s = v128.load32_splat(x + i);
      a0 = dot(s, v128.load(u + (i << 3)), a0);
      a1 = dot(s, v128.load(u + (i << 3), 16), a1);
    }
    addBlock(y, a0, u, x);
    addBlock(y + 16, a1, u + 16, x);
    u += UNPACKED_BYTES;
    x += X_BYTES;
  }
}
