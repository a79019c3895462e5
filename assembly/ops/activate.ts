/**
 * ACTIVATE: prepares rows for the matmuls that follow: normalization, then quantization into the forms that
 * their kernels take. One chunk is one row. ADD_NORM: TO += norm(FROM), as after a Gemma block; NORM: TO =
 * norm(FROM), as after a BERT block; ADD: TO += FROM.
 */
import { quantizeRow, quantizeRowBy } from '../quant/activations';
import {
  EPSILON, FROM, FROM_STRIDE, INPUT_SCALE, NORM, NORM_BIAS, NORM_NONE, NORM_WEIGHT, OBSERVED, TO, TO_STRIDE, WIDTH, X16_PRIVATE,
  X16_SHARED, X16_STRIDE, X32_PRIVATE, X32_SHARED, X32_STRIDE, X8_PRIVATE, X8_SHARED, X8_STRIDE, XS_PRIVATE,
  XS_SHARED, XS_STRIDE,
} from '../record';
import { normRow } from './norm';

/** Where a form of the activations goes: 0 where it is not wanted. `region` is 0 for a batch. */
// @ts-ignore: decorator
@inline function target(op: usize, shared: usize, priv: usize, stride: usize, row: i32, region: usize): usize {
  const bytes = load<u32>(op + stride);
  if (bytes == 0) return 0;
  return region ? region + load<u32>(op + priv) : <usize>load<u32>(op + shared) + <usize>row * bytes;
}

/** `region`: the worker's private region for a single row, which each worker prepares for itself; else 0. */
export function activateRow(op: usize, row: i32, region: usize, scratch: usize): void {
  const width = load<i32>(op + WIDTH);
  let from = <usize>load<u32>(op + FROM) + <usize>row * load<u32>(op + FROM_STRIDE);
  const to32 = target(op, X32_SHARED, X32_PRIVATE, X32_STRIDE, row, region);
  const kind = load<u32>(op + NORM);
  if (kind != NORM_NONE) {
    const normed = to32 ? to32 : scratch;
    normRow(kind, from, normed, width, load<u32>(op + NORM_WEIGHT), load<u32>(op + NORM_BIAS), load<f32>(op + EPSILON));
    from = normed;
  } else if (to32) {
    memory.copy(to32, from, <usize>width << 2);
  }
  const observed = <usize>load<u32>(op + OBSERVED);
  if (observed && !region) memory.copy(observed + ((<usize>row * width) << 2), from, <usize>width << 2);
  const to8 = target(op, X8_SHARED, X8_PRIVATE, X8_STRIDE, row, region);
  const to16 = target(op, X16_SHARED, X16_PRIVATE, X16_STRIDE, row, region);
  if (to8 | to16) quantizeRow(from, width, to8, to16);
  const toStatic = target(op, XS_SHARED, XS_PRIVATE, XS_STRIDE, row, region);
  if (toStatic) quantizeRowBy(from, width, toStatic, load<f32>(op + INPUT_SCALE));
}

export function normOp(op: usize, row: i32): void {
  const from = <usize>load<u32>(op + FROM) + <usize>row * load<u32>(op + FROM_STRIDE);
  const to = <usize>load<u32>(op + TO) + <usize>row * load<u32>(op + TO_STRIDE);
  const weight = load<u32>(op + NORM_WEIGHT), bias = load<u32>(op + NORM_BIAS);
  normRow(load<u32>(op + NORM), from, to, load<i32>(op + WIDTH), weight, bias, load<f32>(op + EPSILON));
}

export function addNormRow(op: usize, row: i32, scratch: usize): void {
  const width = load<i32>(op + WIDTH);
  const from = <usize>load<u32>(op + FROM) + <usize>row * load<u32>(op + FROM_STRIDE);
  const to = <usize>load<u32>(op + TO) + <usize>row * load<u32>(op + TO_STRIDE);
  const weight = load<u32>(op + NORM_WEIGHT), bias = load<u32>(op + NORM_BIAS);
  normRow(load<u32>(op + NORM), from, scratch, width, weight, bias, load<f32>(op + EPSILON));
  add(to, scratch, width);
}

export function addRow(op: usize, row: i32): void {
  const from = <usize>load<u32>(op + FROM) + <usize>row * load<u32>(op + FROM_STRIDE);
  add(<usize>load<u32>(op + TO) + <usize>row * load<u32>(op + TO_STRIDE), from, load<i32>(op + WIDTH));
}

// @ts-ignore: decorator
@inline function add(to: usize, from: usize, width: i32): void {
  for (let offset: usize = 0, end = <usize>width << 2; offset < end; offset += 16) {
    v128.store(to + offset, f32x4.add(v128.load(to + offset), v128.load(from + offset)));
  }
}
