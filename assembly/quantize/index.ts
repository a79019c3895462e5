/**
 * What the quantizer's module exports: rows of f32 to rows of a GGUF tensor type, byte for byte as ggml makes them.
 * tools/quantize/kernels.ts has the other side.
 */
import { f16x4 } from '../isa';
import { quantizeQ40, quantizeQ41, quantizeQ50, quantizeQ51, quantizeQ80 } from './block32';
import { storeI8 } from './int8';
import { prepareIQ4 } from './iq4';
import { quantizeMXFP4 } from './mxfp4';
import { storeBF16, storeF16 } from './numbers';
import { quantizeRow, rowBytes } from './rows';
import { SCRATCH_BYTES } from './scratch';

export { clipGroups, groupErrors, groupGrams } from './clip';
export { columnsPerScale } from './grids';
export { feedbackBytes, walkRows } from './feedback';
export { addProducts, cholesky, invertLower, orderHessian } from './hessian';
export { maxima } from './int8';
export { outputError, scaleColumns, scaleRows, subtract } from './errors';

// GGUF tensor types: src/gguf/tensor-types.ts.
const F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, I8 = 24, BF16 = 30, MXFP4 = 39;

export function scratchBytes(): usize {
  return SCRATCH_BYTES;
}

/** Fills the tables in the scratch: once, before anything else. */
export function prepare(s: usize): void {
  prepareIQ4(s);
}

/**
 * Quantizes `rows` x `columns` f32 at x to `to`. `importance`: f32 per column, or 0; it has no effect on types
 * without a search. `s`: scratchBytes() bytes. False: no such type.
 */
export function quantize(type: i32, x: usize, rows: i32, columns: i32, importance: usize, to: usize, s: usize): bool {
  const count = rows * columns, blocks = count >> 5;
  if (type == F16) storeF16(x, count, to);
  else if (type == BF16) storeBF16(x, count, to);
  else if (type == I8) storeI8(x, count, to);
  else if (type == Q8_0) quantizeQ80(x, blocks, to);
  else if (type == MXFP4) quantizeMXFP4(x, blocks, to);
  else if (type == Q4_0 && !importance) quantizeQ40(x, blocks, to);
  else if (type == Q4_1 && !importance) quantizeQ41(x, blocks, to);
  else if (type == Q5_0 && !importance) quantizeQ50(x, blocks, to);
  else if (type == Q5_1 && !importance) quantizeQ51(x, blocks, to);
  else {
    const bytes = rowBytes(type, columns);
    if (bytes == 0) return false;
    for (; rows > 0; rows--) {
      quantizeRow(type, x, columns, importance, to, s);
      x += <usize>columns << 2;
      to += bytes;
    }
  }
  return true;
}

/** Four f16 or bf16 as f32; f16 that are not finite come as 65536 or more. */
// @ts-ignore: decorator
@inline function widened(type: i32, from: usize): v128 {
  return type == F16 ? f16x4(from) : i32x4.shl(v128.load16x4_u(from), 16);
}

/** `count` f16 or bf16 to f32. False: some are NaN or infinite. */
export function widen(type: i32, from: usize, count: i32, to: usize): bool {
  const start = to, end = to + ((<usize>count & ~3) << 2);
  for (; to < end; to += 16) {
    v128.store(to, widened(type, from));
    from += 8;
  }
  for (let i = count & 3; i > 0; i--) {
    const word = load<u16>(from);
    store<u16>(to + 16, word);
    store<f32>(to, f32x4.extract_lane(widened(type, to + 16), 0));
    from += 2;
    to += 4;
  }
  return allBelow(start, count, type == F16 ? 65536 : Infinity);
}

/** Whether the magnitudes of `count` f32 are all below a limit; those of NaN are not. */
function allBelow(x: usize, count: i32, limit: f32): bool {
  let good = i32x4.splat(-1);
  const most = f32x4.splat(limit), end = x + ((<usize>count & ~3) << 2);
  for (; x < end; x += 16) good = v128.and(good, f32x4.lt(f32x4.abs(v128.load(x)), most));
  for (let i = count & 3; i > 0; i--) {
    good = v128.and(good, f32x4.lt(f32x4.abs(v128.load32_splat(x)), most));
    x += 4;
  }
  return i32x4.all_true(good);
}

/** Whether all of `count` f32 are finite. */
export function allFinite(x: usize, count: i32): bool {
  return allBelow(x, count, Infinity);
}
