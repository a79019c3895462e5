/** What a kernel module exports: assembly/index.ts. Addresses are bytes in the segment's memory. */
export interface KernelExports {
  /** Does worker's part of step `epoch`; 0 when the step is over or the pool is broken. */
  walk(worker: number, epoch: number): number;
  /** Clears the counters of `ops` records before step `epoch` is published. */
  begin(epoch: number, ops: number): void;
  /** Number of the next step after `last`; 0 when the pool stops. */
  awaitStep(last: number): number;
  endStep(epoch: number): void;
  takeReceive(epoch: number): number;
  finishReceive(): void;
  /** Function-table index of a kernel: `format` is a row of FORMATS, `kind` one of KERNEL_KINDS. */
  kernelIndex(format: number, kind: number): number;
  /** Not 0: NaN or Inf among the scales or weights. */
  repackGroups(
    repack: number,
    from: number,
    rowBytes: number,
    rows: number,
    to: number,
    groupBytes: number,
    units: number,
  ): number;
  /** Rows of a file as columns of an F32 matrix: assembly/quant/transpose.ts. Not 0: NaN or Inf. */
  transposeRows(
    repack: number,
    dequantize: number,
    from: number,
    rowBytes: number,
    first: number,
    rows: number,
    columns: number,
    units: number,
    groupBytes: number,
    to: number,
    toBytes: number,
    scratch: number,
  ): number;
  quantizeRow(x: number, n: number, to8: number, to16: number): void;
  /** The same into int16 blocks with a scale that is known beforehand. */
  quantizeRowBy(x: number, n: number, to: number, scale: number): void;
  normRow(
    kind: number,
    x: number,
    to: number,
    width: number,
    weight: number,
    bias: number,
    epsilon: number,
  ): void;
  /** Bytes of one head's keys or values in a page of the KV cache. */
  tileBytes(kvType: number, width: number): number;
  /** What the machine can do at most (assembly/limits.ts): dot steps and multiply-adds between registers, reads. */
  spinDots(rounds: number, to: number): void;
  spinMadds(rounds: number, to: number): void;
  readAll(from: number, bytes: number): number;
  /**
   * Not 0: dot4 here takes whole signed bytes, as the kernels of signedLayout in formats.ts need, with activations of
   * `least` .. 127.
   */
  signedDot(least: number): number;
  table: WebAssembly.Table;
  memory: WebAssembly.Memory;
}

export const GEMV_KERNEL = 0;
export const GEMM_KERNEL = 1;
export const DEQUANTIZE_KERNEL = 2;
export const REPACK_KERNEL = 3;

/** Instantiates a compiled module on a shared memory. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  const instance = new WebAssembly.Instance(module, { env: { memory, now: () => performance.now() } });
  return instance.exports as unknown as KernelExports;
}

/** Puts the function `linear` of another module on the same memory into the function table; returns its index. */
export function plug(
  module: WebAssembly.Module,
  { table }: KernelExports,
  memory: WebAssembly.Memory,
): number {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return table.grow(1, instance.exports.linear);
}
