/**
 * MATMUL: TO [rows, 8 x ROW_GROUPS] = START + activations [rows, width] x weights^T; with UP_WEIGHTS, the
 * gated form act(x W) * (x U); with the flag ACTED, act(...) of the sum. With SCALED, sums are multiplied by scales before
 * they are added to START: not in the gated form. With PEAKS, the largest of every PEAK_SPAN values is left beside the row, for
 * whoever looks for the largest logits of a vocabulary: nor is that for the gated form.
 *
 * A few rows (fewRows) go through the GEMV kernel one by one, more through the GEMM kernel; both add the blocks of a
 * weight row in the same order, so a token's result is the same bits either way.
 */
import { THREADS } from '../control';
import { DOT4, madd } from '../isa';
import { FEW_TOKENS } from '../quant/few';
import { exactGroup } from '../quant/float';
import {
  ACTED, ACTIVATION, ACT_GELU, ACT_GELU_ERF, ACT_INT8, ACT_RELU, ACT_SILU, ACT_TANH, BIAS, DEQUANTIZE, EXACT, FLAGS, FROM,
  FROM_STRIDE, GEMM, GEMV, GROUP_BYTES, NIBBLES, PEAKS, PEAKS_STRIDE, PEAK_SPAN, ROW_GROUPS, ROW_SCALES, SCALE, SCALED, START, START_ADD, START_ADD_BIAS,
  START_BIAS, START_ZERO, SUM_SCALE, TO, TO_STRIDE, UNITS, UP_WEIGHTS, WEIGHTS, WIDTH, X_PRIVATE, X_SHARED, X_STRIDE,
} from '../record';
import { exp4, gelu4, geluErf4, silu4, tanh4 } from './math';

/** Rows that no GEMM which unpacks the weights does faster than so many GEMVs. */
const MOST_GEMV_ROWS = 3;
/** The same of nibbles, where the GEMV is as good as can be (ARM). */
const MOST_GEMV_ROWS_OF_NIBBLES = 7;
/** Chunks per worker: enough that a slow core can take fewer. */
export const CHUNKS_PER_THREAD = 8;
/** A batch makes chunks long: more of them keep the wait at the end short. */
const GEMM_CHUNKS_PER_THREAD = 32;
/** Activations that stay in the second-level cache while all row groups of a chunk meet them; no fewer rows than pay for unpacking. */
const TILE_BYTES: i32 = 512 * 1024;
const LEAST_TILE_ROWS: i32 = 32;
/** Multiply-accumulates below which a chunk is not worth its counter: about a microsecond. */
export const CHUNK_MACS = 32768;
/** Row groups that share a peak; chunks and streams of an op with peaks begin at whole spans. */
const PEAK_GROUPS: i32 = PEAK_SPAN / 8;

// @ts-ignore: decorator
@inline function fewRows(op: usize, rows: i32): bool {
  if (!load<u32>(op + NIBBLES)) return rows <= MOST_GEMV_ROWS;
  return VARIANT == DOT4 ? rows <= MOST_GEMV_ROWS_OF_NIBBLES : rows == 1;
}

// @ts-ignore: decorator
@inline function wholeSpans(groups: i32): i32 {
  return (groups + PEAK_GROUPS - 1) & -PEAK_GROUPS;
}

/** Two streams of row groups walk the halves of one matrix, or the gate and up matrices. */
// @ts-ignore: decorator
@inline export function streamGroups(op: usize, rows: i32): i32 {
  const groups = load<i32>(op + ROW_GROUPS);
  if (!fewRows(op, rows) || (load<u32>(op + FLAGS) & EXACT) || load<u32>(op + UP_WEIGHTS)) return groups;
  const half = (groups + 1) >> 1;
  return load<u32>(op + PEAKS) ? min(groups, wholeSpans(half)) : half;
}

// @ts-ignore: decorator
@inline function groupsPerChunk(op: usize, rows: i32): i32 {
  const groups = streamGroups(op, rows);
  const macs = 16 * load<i32>(op + WIDTH) * rows;
  const least = (CHUNK_MACS + macs - 1) / macs;
  const chunks = load<i32>(THREADS) * (rows < FEW_TOKENS ? CHUNKS_PER_THREAD : GEMM_CHUNKS_PER_THREAD);
  const per = max(least, (groups + chunks - 1) / chunks);
  return load<u32>(op + PEAKS) ? wholeSpans(per) : per;
}

export function matmulChunks(op: usize, rows: i32): i32 {
  const per = groupsPerChunk(op, rows);
  return (streamGroups(op, rows) + per - 1) / per;
}

/** Sets 8 sums at `to` to what those of row group `group` at y start from. */
// @ts-ignore: decorator
@inline function beginGroup(start: u32, y: usize, bias: usize, to: usize): void {
  let low = i32x4.splat(0), high = low;
  if (start == START_BIAS) {
    low = v128.load(bias); high = v128.load(bias, 16);
  } else if (start != START_ZERO) {
    low = v128.load(y); high = v128.load(y, 16);
    if (start == START_ADD_BIAS) {
      low = f32x4.add(low, v128.load(bias)); high = f32x4.add(high, v128.load(bias, 16));
    }
  }
  v128.store(to, low); v128.store(to, high, 16);
}

/** The same in place, for `groups` groups. */
function begin(op: usize, y: usize, first: i32, groups: i32): void {
  const start = load<u32>(op + START);
  if (start == START_ADD) return;
  let bias = <usize>load<u32>(op + BIAS) + (<usize>first << 5);
  for (const end = y + (<usize>groups << 5); y < end; y += 32, bias += 32) beginGroup(start, y, bias, y);
}

/** `to` = `from` + `sums` times the scales of their rows; 8 f32 for each of `groups` groups. */
function addScaled(op: usize, from: usize, sums: usize, to: usize, first: i32, groups: i32): void {
  const scale = v128.load32_splat(op + SUM_SCALE), ofRows = <usize>load<u32>(op + ROW_SCALES);
  const scales = ofRows + (<usize>first << 5);
  for (let i: usize = 0, bytes = <usize>groups << 5; i < bytes; i += 16) {
    const factor = ofRows ? f32x4.mul(scale, v128.load(scales + i)) : scale;
    v128.store(to + i, madd(v128.load(sums + i), factor, v128.load(from + i)));
  }
}

/** One of ACT_*; `cap` is for ACT_SOFTCAP. */
// @ts-ignore: decorator
@inline function act4(kind: u32, x: v128, cap: v128): v128 {
  if (kind == ACT_SILU) return silu4(x);
  if (kind == ACT_GELU) return gelu4(x);
  if (kind == ACT_GELU_ERF) return geluErf4(x);
  if (kind == ACT_RELU) return f32x4.max(x, f32x4.splat(0));
  if (kind == ACT_TANH) return tanh4(x);
  // min and max pass a NaN on.
  if (kind == ACT_INT8) return f32x4.max(f32x4.min(f32x4.nearest(x), f32x4.splat(127)), f32x4.splat(-128));
  return f32x4.mul(cap, tanh4(f32x4.div(x, cap)));
}

/** y = act(y) over `count` (a multiple of 4) values. */
function act(op: usize, y: usize, count: i32): void {
  const kind = load<u32>(op + ACTIVATION), cap = v128.load32_splat(op + SCALE);
  for (let end = y + (<usize>count << 2); y < end; y += 16) v128.store(y, act4(kind, v128.load(y), cap));
}

/** gate = act(gate) * up over `count` (a multiple of 8) values: two vectors side by side, which V8 may join to one. */
function gate(op: usize, gateAt: usize, upAt: usize, count: i32): void {
  const kind = load<u32>(op + ACTIVATION), cap = v128.load32_splat(op + SCALE);
  if (kind == ACT_SILU) gateValues(ACT_SILU, cap, gateAt, upAt, count);
  else gateValues(kind, cap, gateAt, upAt, count);
}

// @ts-ignore: decorator
@inline function gateValues(kind: u32, cap: v128, gateAt: usize, upAt: usize, count: i32): void {
  for (const end = gateAt + (<usize>count << 2); gateAt < end; gateAt += 32, upAt += 32) {
    const a = f32x4.mul(act4(kind, v128.load(gateAt), cap), v128.load(upAt));
    const b = f32x4.mul(act4(kind, v128.load(gateAt, 16), cap), v128.load(upAt, 16));
    v128.store(gateAt, a); v128.store(gateAt, b, 16);
  }
}

/**
 * The largest of the values of `groups` row groups at y; NaN where one of them is NaN or infinite. Those of rows that only
 * fill up the last group count too: a peak is no less than any value of its span, and finite where they are.
 */
// @ts-ignore: decorator
@inline function peakOf(y: usize, groups: i32): f32 {
  const zero = f32x4.splat(0);
  let m = f32x4.splat(-f32.MAX_VALUE), nothing = zero;
  for (const end = y + (<usize>groups << 5); y < end; y += 32) {
    const low = v128.load(y), high = v128.load(y, 16);
    m = f32x4.pmax(m, f32x4.pmax(low, high));
    // x * 0 is NaN for what is not finite: additions, and the maxima below, pass it on.
    nothing = f32x4.add(nothing, f32x4.add(f32x4.mul(low, zero), f32x4.mul(high, zero)));
  }
  m = f32x4.add(m, nothing);
  m = f32x4.max(m, v128.shuffle<f32>(m, m, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.max(m, v128.shuffle<f32>(m, m, 1, 0, 3, 2)), 0);
}

/** Bytes from a row's first peak to that of a row group. */
// @ts-ignore: decorator
@inline function peakOffset(group: i32): usize {
  return <usize>(group / PEAK_GROUPS) << 2;
}

/** Peaks of `groups` row groups at y. */
function leavePeaks(peaks: usize, y: usize, groups: i32): void {
  for (let left = groups; left > 0; left -= PEAK_GROUPS, peaks += 4, y += <usize>PEAK_SPAN << 2) {
    store<f32>(peaks, peakOf(y, min(left, PEAK_GROUPS)));
  }
}

/** GATE: one row. */
export function gateRow(op: usize, row: i32): void {
  const to = <usize>load<u32>(op + TO) + <usize>row * load<u32>(op + TO_STRIDE);
  gate(op, to, <usize>load<u32>(op + FROM) + <usize>row * load<u32>(op + FROM_STRIDE), load<i32>(op + WIDTH));
}

/** SHARE: one row. */
export function shareRow(op: usize, row: i32): void {
  const to = <usize>load<u32>(op + TO) + <usize>row * load<u32>(op + TO_STRIDE);
  const x = v128.load32_splat(<usize>load<u32>(op + FROM) + <usize>row * load<u32>(op + FROM_STRIDE));
  const share = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
  for (let p = to, end = to + (<usize>load<u32>(op + WIDTH) << 2); p < end; p += 16) v128.store(p, f32x4.mul(v128.load(p), share));
}

/** SETTLE: one row of sums that a kernel from outside has made: from where they start, through the activation. */
export function settleRow(op: usize, row: i32): void {
  const y = <usize>load<u32>(op + TO) + <usize>row * load<u32>(op + TO_STRIDE);
  const from = <usize>load<u32>(op + FROM) + <usize>row * load<u32>(op + FROM_STRIDE);
  const groups = load<i32>(op + ROW_GROUPS);
  begin(op, y, 0, groups);
  for (let i: usize = 0, bytes = <usize>groups << 5; i < bytes; i += 16) {
    v128.store(y + i, f32x4.add(v128.load(y + i), v128.load(from + i)));
  }
  if (load<u32>(op + FLAGS) & ACTED) act(op, y, groups << 3);
}

export function matmulChunk(op: usize, chunk: i32, rows: i32, region: usize, scratch: usize): void {
  const per = groupsPerChunk(op, rows);
  const first = chunk * per;
  const count = min(per, streamGroups(op, rows) - first);
  const xStride = load<u32>(op + X_STRIDE);
  const x = rows == 1 ? region + load<u32>(op + X_PRIVATE) : <usize>load<u32>(op + X_SHARED);
  multiplyRows(op, 0, first, count, rows, x, xStride, load<u32>(op + TO), scratch);
}

/**
 * Row groups (streamGroups) first .. first + count - 1 for `rows` rows of activations at x, into rows at y. `part`
 * is the offset of the matrix among those of the op's tensor.
 */
export function multiplyRows(
  op: usize, part: usize, first: i32, count: i32, rows: i32, x: usize, xStride: usize, y: usize, scratch: usize,
): void {
  const exact = (load<u32>(op + FLAGS) & EXACT) != 0;
  if (fewRows(op, rows) && !exact) {
    gemvChunk(op, part, first, count, rows, x, xStride, y, scratch);
    return;
  }
  const yStride = <usize>load<u32>(op + TO_STRIDE);
  const most = max(LEAST_TILE_ROWS, (TILE_BYTES / <i32>xStride) & ~7);
  for (let row = 0; row < rows; row += most) {
    groupsChunk(op, part, first, count, row, min(most, rows - row), x, xStride, y, scratch);
    x += <usize>most * xStride;
    y += <usize>most * yStride;
  }
}

function gemvChunk(
  op: usize, part: usize, first: i32, count: i32, rows: i32, x: usize, xStride: usize, y: usize, scratch: usize,
): void {
  const kernel = load<u32>(op + GEMV), units = load<i32>(op + UNITS), bytes = <usize>load<u32>(op + GROUP_BYTES);
  const stride = <usize>load<u32>(op + TO_STRIDE);
  const offset = part + <usize>first * bytes, a = <usize>load<u32>(op + WEIGHTS) + offset;
  y += <usize>first << 5;
  if (load<u32>(op + UP_WEIGHTS)) {
    const up = <usize>load<u32>(op + UP_WEIGHTS) + offset;
    for (let row = 0; row < rows; row++) {
      memory.fill(y, 0, <usize>count << 5);
      memory.fill(scratch, 0, <usize>count << 5);
      call_indirect<void>(kernel, a, up, x, y, scratch, count, units);
      gate(op, y, scratch, count << 3);
      x += xStride;
      y += stride;
    }
    return;
  }
  const groups = load<i32>(op + ROW_GROUPS), half = streamGroups(op, rows);
  const acted = (load<u32>(op + FLAGS) & ACTED) != 0;
  // The second stream may be shorter: what has no partner there goes alone, as both streams.
  const paired = max(0, min(count, groups - half - first));
  const scaled = (load<u32>(op + FLAGS) & SCALED) != 0;
  let peaks = <usize>load<u32>(op + PEAKS);
  for (let row = 0; row < rows; row++) {
    const ya = scaled ? scratch : y, yb = scaled ? scratch + (<usize>count << 5) : y + (<usize>half << 5);
    if (scaled) memory.fill(scratch, 0, <usize>(count + paired) << 5);
    begin(op, y, first, count);
    begin(op, y + (<usize>half << 5), first + half, paired);
    if (paired > 0) call_indirect<void>(kernel, a, a + <usize>half * bytes, x, ya, yb, paired, units);
    for (let g = paired; g < count; g++) {
      const w = a + <usize>g * bytes, alone = ya + (<usize>g << 5);
      call_indirect<void>(kernel, w, w, x, alone, alone, 1, units);
    }
    if (scaled) {
      const other = y + (<usize>half << 5);
      addScaled(op, y, ya, y, first, count);
      if (paired > 0) addScaled(op, other, yb, other, first + half, paired);
    }
    if (acted) {
      act(op, y, count << 3);
      if (paired > 0) act(op, y + (<usize>half << 5), paired << 3);
    }
    if (peaks) {
      leavePeaks(peaks + peakOffset(first), y, count);
      leavePeaks(peaks + peakOffset(first + half), y + (<usize>half << 5), paired);
      peaks += load<u32>(op + PEAKS_STRIDE);
    }
    x += xStride;
    y += stride;
  }
}

/** y += x W^T for one row group and `rows` rows, through the GEMM kernel or, with EXACT, in f32. */
function multiplyGroup(
  op: usize, w: usize, x: usize, xStride: usize, y: usize, yStride: usize, rows: i32, scratch: usize,
): void {
  const units = load<i32>(op + UNITS);
  if (load<u32>(op + FLAGS) & EXACT) {
    const block = <usize>load<u32>(op + GROUP_BYTES) / units;
    exactGroup(load<u32>(op + DEQUANTIZE), w, block, x, xStride, y, yStride, rows, units, scratch);
  } else {
    call_indirect<void>(load<u32>(op + GEMM), w, x, xStride, y, yStride, rows, units, scratch);
  }
}

/**
 * The sums of a row group lie together in scratch until they are complete: rows of y are far apart, often by a power of
 * two, and would crowd a few lines of the caches.
 */
function groupsChunk(
  op: usize, part: usize, first: i32, count: i32, row: i32, rows: i32, x: usize, xStride: usize, to: usize, scratch: usize,
): void {
  const bytes = <usize>load<u32>(op + GROUP_BYTES), stride = <usize>load<u32>(op + TO_STRIDE), size = <usize>rows << 5;
  const weights = <usize>load<u32>(op + WEIGHTS), up = <usize>load<u32>(op + UP_WEIGHTS);
  const start = load<u32>(op + START), flags = load<u32>(op + FLAGS);
  const acted = (flags & ACTED) != 0, scaled = (flags & SCALED) != 0;
  const peaksStride = <usize>load<u32>(op + PEAKS_STRIDE);
  let peaks = <usize>load<u32>(op + PEAKS);
  if (peaks) peaks += <usize>row * peaksStride;
  const sums = scratch, end = sums + size, upSums = end, unpacked = up ? upSums + size : end;
  for (let g = first; g < first + count; g++) {
    const group = <usize>g << 5, w = part + <usize>g * bytes, bias = <usize>load<u32>(op + BIAS) + group;
    if (scaled) memory.fill(sums, 0, size);
    else for (let p = sums, y = to + group; p < end; p += 32, y += stride) beginGroup(start, y, bias, p);
    multiplyGroup(op, weights + w, x, xStride, sums, 32, rows, unpacked);
    if (scaled) {
      for (let p = sums, y = to + group; p < end; p += 32, y += stride) {
        beginGroup(start, y, bias, unpacked);
        addScaled(op, unpacked, p, p, g, 1);
      }
    }
    if (up) {
      memory.fill(upSums, 0, size);
      multiplyGroup(op, up + w, x, xStride, upSums, 32, rows, unpacked);
      gate(op, sums, upSums, rows << 3);
    }
    if (acted) act(op, sums, rows << 3);
    if (peaks) {
      for (let p = sums, at = peaks + peakOffset(g); p < end; p += 32, at += peaksStride) {
        const peak = peakOf(p, 1);
        // A span's groups are of one chunk, in turn; max passes a NaN on.
        store<f32>(at, g % PEAK_GROUPS ? max<f32>(peak, load<f32>(at)) : peak);
      }
    }
    for (let p = sums, y = to + group; p < end; p += 32, y += stride) {
      v128.store(y, v128.load(p)); v128.store(y, v128.load(p, 16), 16);
    }
  }
}
