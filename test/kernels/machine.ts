/** A compiled variant with a memory of its own, and the steps that every test of a weight kernel takes. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import {
  DEQUANTIZE_KERNEL,
  GEMM_KERNEL,
  GEMV_KERNEL,
  REPACK_KERNEL,
  instantiate,
} from '../../src/kernels/exports.ts';
import { UNPACKED_BYTES } from '../../src/engine/layout/scratch.ts';
import type { KernelExports } from '../../src/kernels/exports.ts';
import { activationBytes, fileRowBytes, groupBytes, units } from '../../src/kernels/formats.ts';
import type { WeightFormat } from '../../src/kernels/formats.ts';

export const VARIANTS = ['simd', 'dot2', 'dot4'] as const;
export type Variant = (typeof VARIANTS)[number];

/**
 * Which of V8's compilers the kernels run through: without this they would start in one and move to the other in the
 * middle of a test. Lasts as long as the process, which vitest makes anew for each file.
 */
export function useCompiler(tier: 'baseline' | 'optimizing'): void {
  setFlagsFromString(tier === 'baseline' ? '--liftoff-only' : '--no-liftoff');
  // Node 26 inlines by what the baseline compiler's code has counted, and dies where there is none.
  if (tier === 'optimizing' && Number.parseInt(process.versions.node) >= 24) {
    setFlagsFromString('--no-wasm-inlining');
    setFlagsFromString('--no-wasm-inlining-call-indirect');
  }
}

/**
 * Node 20's baseline compiler miscompiles i32x4.relaxed_dot_i8x16_i7x16_add_s on x86: the dot is added to itself
 * instead of to the accumulator. Its optimizing compiler does not.
 */
export const BASELINE_DOT4_IS_BROKEN = process.versions.node.startsWith('20.') && process.arch === 'x64';

export function wasmOf(variant: Variant): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../../dist/kernels/${variant}.wasm`, import.meta.url)));
}

/** A weight matrix in its run-time layout. */
export interface Matrix {
  format: WeightFormat;
  rows: number;
  columns: number;
  at: number;
  groups: number;
  groupBytes: number;
  units: number;
  /** What repackGroups returned. */
  bad: number;
}

/** Bytes no kernel may change: around everything that one writes. */
const CANARY = 0xa5;
const FENCE = 64;

type Gemv = (a: number, b: number, x: number, ya: number, yb: number, groups: number, units: number) => void;
type Gemm = (
  w: number,
  x: number,
  xStride: number,
  y: number,
  yStride: number,
  tokens: number,
  units: number,
  scratch: number,
) => void;
type Dequantize = (w: number, row: number, to: number, units: number, scratch: number) => void;

export class Machine {
  readonly variant: Variant;
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
  #next = 65536;
  #fences: number[] = [];

  constructor(variant: Variant, pages = 256) {
    this.variant = variant;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.kernels = instantiate(new WebAssembly.Module(wasmOf(variant)), this.memory);
  }

  /** Forgets all that was allocated. */
  reset(): void {
    this.#next = 65536;
    this.#fences = [];
  }

  /** Room aligned to 64 bytes, canaries before and behind it, filled with `fill`. */
  alloc(bytes: number, fill = 0x7f): number {
    const at = this.#next + FENCE;
    const end = at + bytes;
    this.#next = (end + FENCE + 63) & ~63;
    if (this.#next > this.memory.buffer.byteLength) throw new Error('test memory is too small');
    const all = new Uint8Array(this.memory.buffer);
    all
      .fill(CANARY, at - FENCE, at)
      .fill(CANARY, end, end + FENCE)
      .fill(fill, at, end);
    this.#fences.push(at - FENCE, end);
    return at;
  }

  /** Throws where a canary is gone: something wrote beyond its room. */
  checkFences(): void {
    const all = new Uint8Array(this.memory.buffer);
    for (const fence of this.#fences) {
      for (let i = fence; i < fence + FENCE; i++) {
        if (all[i] !== CANARY) throw new Error(`byte ${i} was overwritten, by the fence at ${fence}`);
      }
    }
  }

  put(data: ArrayLike<number> & ArrayBufferView): number {
    const at = this.alloc(data.byteLength);
    new Uint8Array(this.memory.buffer, at, data.byteLength).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
    return at;
  }

  f32(at: number, count: number): Float32Array<ArrayBufferLike> {
    return new Float32Array(this.memory.buffer, at, count);
  }

  u8(at: number, count: number): Uint8Array<ArrayBufferLike> {
    return new Uint8Array(this.memory.buffer, at, count);
  }

  view(): DataView {
    return new DataView(this.memory.buffer as unknown as ArrayBuffer);
  }

  kernel<F>(format: WeightFormat, kind: number): F {
    return this.kernels.table.get(this.kernels.kernelIndex(format.kernel, kind)) as F;
  }

  /** Repacks the rows of a file. */
  repack(format: WeightFormat, bytes: Uint8Array, rows: number, columns: number): Matrix {
    const groups = Math.ceil(rows / 8);
    const size = groupBytes(format, columns);
    const from = this.put(bytes);
    const at = this.alloc(groups * size, 0xff);
    const repack = this.kernels.kernelIndex(format.kernel, REPACK_KERNEL);
    const rowBytes = fileRowBytes(format, columns);
    const n = units(format, columns);
    const bad = this.kernels.repackGroups(repack, from, rowBytes, rows, at, size, n);
    return { format, rows, columns, at, groups, groupBytes: size, units: n, bad };
  }

  /** Activations in the form that a format's kernels take; `stride` from one token to the next. */
  activations(format: WeightFormat, tokens: Float32Array[]): { at: number; stride: number } {
    const columns = tokens[0]!.length;
    const bytes = activationBytes(format.form, columns);
    const stride = Math.ceil(bytes / 64) * 64 + 64;
    const at = this.alloc(stride * tokens.length);
    for (const [t, x] of tokens.entries()) {
      const to = at + t * stride;
      if (format.form === 'f32') this.f32(to, columns).set(x);
      else {
        const from = this.put(x);
        if (format.form === 'static') this.#asStatic(from, columns, to);
        else
          this.kernels.quantizeRow(
            from,
            columns,
            format.form === 'int8' ? to : 0,
            format.form === 'int8' ? 0 : to,
          );
      }
    }
    return { at, stride };
  }

  /** Activations as quantizeRowBy lays them out, each block with the scale that quantizeRow gives it. */
  #asStatic(from: number, columns: number, to: number): void {
    const blocks = this.alloc(activationBytes('int8', columns));
    this.kernels.quantizeRow(from, columns, blocks, 0);
    const { buffer } = this.memory;
    const bytes = this.kernels.signedDot(-128) ? 48 : 80;
    for (let b = 0; b < columns / 32; b++) {
      const q = new Int8Array(buffer, blocks + 48 * b, 32),
        at = to + bytes * b;
      if (bytes === 48) new Int8Array(buffer, at, 32).set(q);
      else new Int16Array(buffer, at, 32).set(q);
      new Float32Array(buffer, at + bytes - 16, 1).set(new Float32Array(buffer, blocks + 48 * b + 32, 1));
    }
  }

  /** start + W x: pairs of row groups, an odd one alone, as the matmul op does it. */
  gemv(matrix: Matrix, x: number, start = 0): Float32Array {
    const { at, groups, groupBytes: size, units: n } = matrix;
    const kernel = this.kernel<Gemv>(matrix.format, GEMV_KERNEL);
    const y = this.alloc(groups * 32);
    this.f32(y, groups * 8).fill(start);
    const half = groups >> 1;
    if (half > 0) kernel(at, at + half * size, x, y, y + half * 32, half, n);
    if (groups % 2) {
      const last = groups - 1;
      kernel(at + last * size, at + last * size, x, y + last * 32, y + last * 32, 1, n);
    }
    return this.f32(y, groups * 8).slice(0, matrix.rows);
  }

  /** start + X W^T, a row for each token. */
  gemm(matrix: Matrix, x: number, xStride: number, tokens: number, start = 0): Float32Array[] {
    const { at, groups, groupBytes: size, units: n } = matrix;
    const kernel = this.kernel<Gemm>(matrix.format, GEMM_KERNEL);
    const yStride = groups * 32 + 32;
    const y = this.alloc(yStride * tokens);
    const scratch = this.alloc(UNPACKED_BYTES);
    for (let t = 0; t < tokens; t++) this.f32(y + t * yStride, groups * 8).fill(start);
    for (let g = 0; g < groups; g++)
      kernel(at + g * size, x, xStride, y + g * 32, yStride, tokens, n, scratch);
    return Array.from({ length: tokens }, (_, t) =>
      this.f32(y + t * yStride, groups * 8).slice(0, matrix.rows),
    );
  }

  dequantize(matrix: Matrix, row: number): Float32Array {
    const kernel = this.kernel<Dequantize>(matrix.format, DEQUANTIZE_KERNEL);
    const to = this.alloc(matrix.columns * 4);
    const scratch = this.alloc(16);
    kernel(matrix.at + (row >> 3) * matrix.groupBytes, row & 7, to, matrix.units, scratch);
    return this.f32(to, matrix.columns).slice();
  }
}
