/**
 * The quantizers of assembly/quantize, and the engine's own unpacking of every weight format, over one memory:
 *
 *   0       constants of the two modules
 *   64 KiB  scratch of the quantizers
 *   80 KiB  what a call works on: file bytes, a group of 8 rows in run-time form, f32 rows, importance, result
 *
 * One instance serves one thread: its memory is not shared with anybody.
 */
import { readFile } from 'node:fs/promises';
import { GgufError, UsageError } from '../../src/errors.ts';
import { rowBytes, tensorType, typeLabel } from '../../src/gguf/tensor-types.ts';
import {
  DEQUANTIZE_KERNEL,
  instantiate,
  REPACK_KERNEL,
  type KernelExports,
} from '../../src/kernels/exports.ts';
import { formatOf, groupBytes, units } from '../../src/kernels/formats.ts';
import { PACKAGE_ROOT } from '../../src/platform/node/package-root.ts';

const F32 = 0;
const F16 = 1;
const BF16 = 30;
export const SCRATCH = 65536;
export const BUFFERS = SCRATCH + 16384;
const PAGE = 65536;
/** Past what a dequantize kernel may use behind a row. */
export const ROW_SCRATCH = 16384;

/** GGUF types that rows can be quantized to, by name, in the order of their sizes. */
export const QUANTIZED_TYPES = [
  ...[
    'F32',
    'F16',
    'BF16',
    'Q8_0',
    'Q6_K',
    'Q5_1',
    'Q5_K',
    'Q5_0',
    'Q4_1',
    'Q4_K',
    'Q4_0',
    'IQ4_NL',
    'IQ4_XS',
  ],
  ...['MXFP4', 'Q3_K', 'Q2_K'],
] as const;

/** assembly/quantize/index.ts. Addresses are bytes. */
export interface QuantizeExports {
  scratchBytes(): number;
  prepare(scratch: number): void;
  quantize(
    type: number,
    x: number,
    rows: number,
    columns: number,
    importance: number,
    to: number,
    scratch: number,
  ): number;
  widen(type: number, from: number, count: number, to: number): number;
  allFinite(x: number, count: number): number;
  outputError(e: number, rows: number, x: number, samples: number, columns: number): number;
  scaleColumns(x: number, rows: number, columns: number, factors: number): void;
  scaleRows(x: number, rows: number, columns: number, factors: number): void;
  maxima(x: number, rows: number, columns: number, ofColumns: number, ofRows: number): void;
  columnsPerScale(type: number): number;
  groupGrams(x: number, samples: number, columns: number, group: number, to: number): void;
  groupErrors(e: number, rows: number, columns: number, group: number, grams: number, to: number): void;
  clipGroups(x: number, rows: number, columns: number, group: number, parts: number, to: number): void;
  subtract(a: number, b: number, count: number): void;
  addProducts(x: number, tokens: number, columns: number, h: number, first: number, last: number): void;
  orderHessian(h: number, columns: number, order: number, damping: number, trust: number, to: number): void;
  cholesky(l: number, columns: number): number;
  invertLower(l: number, columns: number, row: number): void;
  feedbackBytes(columns: number): number;
  walkRows(
    ...args: [
      ...[type: number, rows: number, columns: number, importance: number, order: number, m: number],
      ...[refit: number, to: number, rowBytes: number, work: number, scratch: number],
    ]
  ): void;
}

/** The module of the quantizers on a memory. */
export function instantiateQuantizers(
  { quantizers }: QuantizeModules,
  memory: WebAssembly.Memory,
): QuantizeExports {
  return new WebAssembly.Instance(quantizers, { env: { memory } }).exports as unknown as QuantizeExports;
}

/** What happens to rows between reading and quantizing. */
export interface Treatment {
  /** How much an error counts, one positive number per column. */
  importance?: Float32Array;
  /** Factors on the columns, and on the rows. */
  columns?: Float32Array;
  rows?: Float32Array;
}

/** The two compiled modules, which threads share. */
export interface QuantizeModules {
  engine: WebAssembly.Module;
  quantizers: WebAssembly.Module;
}

/** Compiles the modules; plain SIMD, so that results are the same on every machine. */
export async function loadQuantizeModules(): Promise<QuantizeModules> {
  const compile = async (name: string) =>
    WebAssembly.compile(new Uint8Array(await readFile(new URL(`dist/kernels/${name}.wasm`, PACKAGE_ROOT))));
  const [engine, quantizers] = await Promise.all([compile('simd'), compile('quantize')]);
  return { engine, quantizers };
}

/** Rows of any GGUF type to f32, and f32 rows to any type of QUANTIZED_TYPES. */
export class QuantizeKernels {
  protected readonly memory: WebAssembly.Memory;
  protected readonly quantizers: QuantizeExports;
  private readonly engine: KernelExports;

  constructor(modules: QuantizeModules) {
    this.memory = new WebAssembly.Memory({ initial: BUFFERS / PAGE + 1, maximum: 65536, shared: true });
    this.engine = instantiate(modules.engine, this.memory);
    this.quantizers = instantiateQuantizers(modules, this.memory);
    this.quantizers.prepare(SCRATCH);
  }

  /**
   * Rows as they stand in a file, as f32.
   *
   * @returns [rows x columns], a copy
   * @throws GgufError for a type that cannot be read, and for NaN or infinity among the values
   */
  dequantize(type: number, bytes: Uint8Array, rows: number, columns: number): Float32Array {
    const x = this.read(type, bytes, rows, columns);
    return new Float32Array(this.memory.buffer, x, rows * columns).slice();
  }

  /**
   * f32 rows as rows of a type.
   *
   * @param values [rows x columns]
   * @param importance how much an error counts, one positive number per column
   * @throws UsageError for a type that nothing can be quantized to
   */
  quantize(
    type: number,
    values: Float32Array,
    rows: number,
    columns: number,
    importance?: Float32Array,
  ): Uint8Array<ArrayBuffer> {
    const x = this.room(0, values.byteLength);
    new Float32Array(this.memory.buffer, x, values.length).set(values);
    return this.write(type, x, rows, columns, importance);
  }

  /** Rows of one type as rows of another: `dequantize`, then `quantize`, with their errors. */
  convert(
    from: number,
    bytes: Uint8Array,
    rows: number,
    columns: number,
    to: number,
    { importance, ...factors }: Treatment = {},
  ): Uint8Array<ArrayBuffer> {
    const x = this.read(from, bytes, rows, columns);
    this.scale(x, rows, columns, factors);
    return this.write(to, x, rows, columns, importance);
  }

  /** Multiplies rows at x, with room behind them for the factors. */
  protected scale(x: number, rows: number, columns: number, factors: Treatment): void {
    const place = this.room(x - BUFFERS + rows * columns * 4, Math.max(rows, columns) * 4);
    if (factors.columns) {
      this.put(place, factors.columns);
      this.quantizers.scaleColumns(x, rows, columns, place);
    }
    if (factors.rows) {
      this.put(place, factors.rows);
      this.quantizers.scaleRows(x, rows, columns, place);
    }
  }

  protected put(address: number, values: Float32Array): void {
    new Float32Array(this.memory.buffer, address, values.length).set(values);
  }

  /** Makes sure that `bytes` fit behind `offset` of the buffers, and returns the address. */
  protected room(offset: number, bytes: number): number {
    const address = BUFFERS + Math.ceil(offset / 64) * 64;
    const missing = Math.ceil((address + bytes - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.memory.grow(missing);
    return address;
  }

  /** Brings rows into memory as f32 and returns their address, which is behind the bytes. */
  protected read(type: number, bytes: Uint8Array, rows: number, columns: number): number {
    const count = rows * columns;
    const expected = rows * rowBytes(type, columns);
    if (bytes.length !== expected) {
      throw new GgufError(
        `${rows} rows of ${columns} ${typeLabel(type)} are ${expected} bytes, not ${bytes.length}`,
      );
    }
    const source = this.room(0, bytes.length);
    new Uint8Array(this.memory.buffer, source, bytes.length).set(bytes);
    const x = this.room(bytes.length, count * 4 + ROW_SCRATCH);
    this.toF32(type, source, rows, columns, x);
    return x;
  }

  /** Rows of a type at `source` to f32 at x, which has ROW_SCRATCH bytes and a group of rows behind it. */
  protected toF32(type: number, source: number, rows: number, columns: number, x: number): void {
    const count = rows * columns;
    let finite: boolean;
    if (type === F16 || type === BF16) finite = this.quantizers.widen(type, source, count, x) !== 0;
    else {
      if (type === F32) new Uint8Array(this.memory.buffer).copyWithin(x, source, source + count * 4);
      else this.unpack(type, source, rows, columns, x);
      finite = this.quantizers.allFinite(x, count) !== 0;
    }
    if (!finite) throw new GgufError('there are NaN or infinite values in it');
  }

  /** Through the engine's run-time form: groups of 8 rows. */
  private unpack(type: number, source: number, rows: number, columns: number, x: number): void {
    const format = formatOf(type, rows);
    if (!format) throw new GgufError(`${typeLabel(type)} cannot be read`);
    const bytes = groupBytes(format, columns);
    const fileRow = rowBytes(type, columns);
    const group = this.room(x - BUFFERS + rows * columns * 4 + ROW_SCRATCH, bytes);
    const count = units(format, columns);
    const repack = this.engine.kernelIndex(format.kernel, REPACK_KERNEL);
    const unpackRow = this.engine.table.get(this.engine.kernelIndex(format.kernel, DEQUANTIZE_KERNEL)) as (
      w: number,
      row: number,
      to: number,
      units: number,
      scratch: number,
    ) => void;
    for (let row = 0; row < rows; row += 8) {
      const some = Math.min(8, rows - row);
      const bad = this.engine.repackGroups(
        repack,
        source + row * fileRow,
        fileRow,
        some,
        group,
        bytes,
        count,
      );
      if (bad !== 0) throw new GgufError('there are NaN or infinite values in it');
      for (let i = 0; i < some; i++) {
        const to = x + (row + i) * columns * 4;
        // What a kernel leaves behind its row is overwritten by the next.
        unpackRow(group, i, to, count, to + columns * 4);
      }
    }
  }

  /** Quantizes the f32 rows at x, and returns a copy of the result. */
  protected write(
    type: number,
    x: number,
    rows: number,
    columns: number,
    importance: Float32Array | undefined,
  ): Uint8Array<ArrayBuffer> {
    const bytes = rows * rowBytes(type, columns);
    if (importance && importance.length !== columns) {
      throw new UsageError(`importance of ${importance.length} columns for rows of ${columns}`);
    }
    const behind = x - BUFFERS + rows * columns * 4;
    const weights = importance ? this.room(behind, columns * 4) : 0;
    if (importance) this.put(weights, importance);
    const to = this.room(behind + columns * 4 + 64, bytes);
    this.store(type, x, rows, columns, weights, to);
    return new Uint8Array(this.memory.buffer, to, bytes).slice();
  }

  /**
   * Quantizes the f32 rows at x to `to`; `importance`: address, or 0.
   *
   * @throws UsageError for a type that nothing can be quantized to
   */
  protected store(
    type: number,
    x: number,
    rows: number,
    columns: number,
    importance: number,
    to: number,
  ): void {
    if (type === F32) new Uint8Array(this.memory.buffer).copyWithin(to, x, x + rows * columns * 4);
    else if (this.quantizers.quantize(type, x, rows, columns, importance, to, SCRATCH) === 0) {
      throw new UsageError(`nothing can be quantized to ${tensorType(type).name}`);
    }
  }
}
