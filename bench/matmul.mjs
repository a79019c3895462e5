// @ts-check
/**
 * One weight matrix and the engine's own MATMUL op over it, as a program of its own: the kernels, cut into chunks and
 * shared by threads exactly as in a model. Weights are random: speed does not depend on their values.
 * Needs a built dist/.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { randomBits, randomBlocks } from '../tools/make-model/blocks.mjs';

/** @template T @param {string} path below dist/src @returns {Promise<T>} */
const built = (path) => import(new URL(`../dist/src/${path}`, import.meta.url).href);

/** @type {typeof import('../src/engine/layout/scratch.ts')} */
const { UNPACKED_BYTES } = await built('engine/layout/scratch.js');
/** @type {typeof import('../src/kernels/control.ts')} */
const C = await built('kernels/control.js');
/** @type {typeof import('../src/kernels/record.ts')} */
const R = await built('kernels/record.js');
/** @type {typeof import('../src/kernels/exports.ts')} */
const { DEQUANTIZE_KERNEL, GEMM_KERNEL, GEMV_KERNEL, REPACK_KERNEL, instantiate } =
  await built('kernels/exports.js');
/** @type {typeof import('../src/kernels/formats.ts')} */
const { FORMATS, activationBytes, fileRowBytes, groupBytes, units } = await built('kernels/formats.js');

/** Formats that have kernels of their own; the others are rearranged to one of these while loading. */
export const MATMUL_FORMATS = FORMATS.filter(({ interleave }) => !interleave);

/** @typedef {import('../src/kernels/formats.ts').WeightFormat} WeightFormat */

/**
 * @typedef {object} Shape
 * @property {WeightFormat} format
 * @property {number} rows of the matrix, a multiple of 8
 * @property {number} columns a multiple of 32 and of the format's blocks
 * @property {number} tokens 1 to 3 go through the GEMV kernel, more through the GEMM kernel
 * @property {number} threads
 * @property {number} copies of the matrix; a step multiplies with each in turn. Where they are larger than the caches
 *   together, the weights come from memory, as in a model
 * @property {number} [slow] the last of several threads takes so many times its time more for each chunk
 * @property {boolean} [alone] the work is cut for `threads`, but the calling one does it all
 */

/** One page: constants of the kernels, the control block, records and counters. */
const FIRST_FREE = 0x10000;
const RECORDS = 0x4000;
const TICKETS = 0x8000;
const MOST_COPIES = (TICKETS - RECORDS) / R.RECORD_BYTES;
const PAGE = 65536;
/** Rows that are made; the others of a matrix repeat them. */
const MADE_ROWS = 64;

export class Matmul {
  /** Of one copy. */
  weightBytes = 0;
  /** Multiply-accumulates of a step. */
  macs = 0;

  /** @type {Shape} */ #shape;
  /** @type {WebAssembly.Memory} */ #memory;
  /** @type {import('../src/kernels/exports.ts').KernelExports} */ #kernels;
  /** @type {Worker[]} */ #workers = [];
  /** @type {Promise<unknown>[]} */ #started = [];
  #epoch = 0;
  #output = 0;
  /** Calls of kernels by the slow thread. */
  #slowCalls = new Int32Array(new SharedArrayBuffer(4));

  /**
   * @param {WebAssembly.Module} module a compiled kernel variant
   * @param {Shape} shape
   */
  constructor(module, shape) {
    const { format, rows, columns, tokens, threads, copies, alone } = shape;
    if (rows % 8 || columns % 32 || columns % format.blockColumns) {
      throw new RangeError(`${format.name}: no matrix of ${rows} x ${columns}`);
    }
    if (copies > MOST_COPIES) throw new RangeError(`${copies} copies: at most ${MOST_COPIES}`);
    this.#shape = shape;
    const groups = rows / 8;
    this.weightBytes = groups * groupBytes(format, columns);
    this.macs = rows * columns * tokens * copies;

    let free = FIRST_FREE;
    /** @param {number} bytes */
    const place = (bytes) => {
      const at = free;
      free += Math.ceil(bytes / 64) * 64;
      return at;
    };
    const xStride = Math.ceil(activationBytes(format.form, columns) / 64) * 64 + 64;
    const scratchBytes = Math.max(tokens, groups) * 32 + UNPACKED_BYTES;
    const privateBytes = xStride + Math.ceil(scratchBytes / 64) * 64;
    const x = place(xStride * tokens);
    const regions = place(privateBytes * threads);
    const yStride = rows * 4 + 64;
    this.#output = place(yStride * tokens);
    const raw = place(fileRowBytes(format, columns) * Math.min(rows, MADE_ROWS) + columns * 4);
    const weights = Array.from({ length: copies }, () => place(this.weightBytes));
    const pages = Math.ceil(free / PAGE);
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#kernels = instantiate(module, this.#memory);

    this.#fillWeights(raw, weights);
    this.#fillActivations(raw, x, xStride, regions, privateBytes);

    const view = new DataView(this.#memory.buffer);
    const index = (/** @type {number} */ kind) => this.#kernels.kernelIndex(format.kernel, kind);
    for (const [i, at] of weights.entries()) {
      const words = {
        [R.OPCODE]: R.OP_MATMUL,
        [R.FLAGS]: R.BARRIER,
        [R.GROUP]: i,
        [R.TO]: this.#output,
        [R.TO_STRIDE]: yStride,
        [R.WIDTH]: columns,
        [R.WEIGHTS]: at,
        [R.GROUP_BYTES]: groupBytes(format, columns),
        [R.ROW_GROUPS]: groups,
        [R.UNITS]: units(format, columns),
        [R.DEQUANTIZE]: index(DEQUANTIZE_KERNEL),
        [R.GEMV]: index(GEMV_KERNEL),
        [R.GEMM]: index(GEMM_KERNEL),
        [R.NIBBLES]: format.nibbles ? 1 : 0,
        [R.X_SHARED]: x,
        [R.X_STRIDE]: xStride,
        [R.START]: R.START_ZERO,
      };
      for (const [word, value] of Object.entries(words)) {
        view.setUint32(RECORDS + i * R.RECORD_BYTES + Number(word), value, true);
      }
    }
    const control = {
      [C.THREADS]: threads,
      [C.OPS]: copies,
      [C.PROGRAM]: RECORDS,
      [C.TICKETS]: TICKETS,
      [C.PRIVATE]: regions,
      [C.PRIVATE_BYTES]: privateBytes,
      [C.SCRATCH_OFFSET]: xStride,
      [C.TOKENS]: tokens,
    };
    for (const [at, value] of Object.entries(control)) view.setUint32(Number(at), value, true);
    for (let worker = 1; worker < threads && !alone; worker++) {
      const slow = shape.slow !== undefined &&
        worker === threads - 1 && {
          factor: shape.slow,
          indices: [index(GEMV_KERNEL), index(GEMM_KERNEL)],
          calls: this.#slowCalls,
        };
      const workerData = { module, memory: this.#memory, worker, slow };
      const thread = new Worker(new URL('matmul-worker.mjs', import.meta.url), { workerData });
      this.#workers.push(thread);
      this.#started.push(once(thread, 'message'));
    }
  }

  /** @param {number} raw @param {number[]} copies */
  #fillWeights(raw, copies) {
    const { format, rows, columns } = this.#shape;
    const { kernelIndex, repackGroups } = this.#kernels;
    const rowBytes = fileRowBytes(format, columns);
    const size = groupBytes(format, columns);
    const made = Math.min(rows, MADE_ROWS);
    const bytes = new Uint8Array(this.#memory.buffer);
    const type = { name: format.name, bytesPerBlock: format.blockBytes };
    let at = raw;
    for (const part of randomBlocks(type, 0.02, randomBits(1)).take(made * rowBytes)) {
      bytes.set(part, at);
      at += part.length;
    }
    const [first = 0, ...others] = copies;
    const repack = kernelIndex(format.kernel, REPACK_KERNEL);
    const bad = repackGroups(repack, raw, rowBytes, made, first, size, units(format, columns));
    if (bad) throw new Error(`${format.name}: random weights with NaN or infinity among the scales`);
    for (let done = (made / 8) * size; done < this.weightBytes; done *= 2) {
      bytes.copyWithin(first + done, first, first + Math.min(done, this.weightBytes - done));
    }
    for (const copy of others) bytes.copyWithin(copy, first, first + this.weightBytes);
  }

  /** @param {number} raw @param {number} x @param {number} xStride @param {number} regions @param {number} privateBytes */
  #fillActivations(raw, x, xStride, regions, privateBytes) {
    const { format, columns, tokens, threads } = this.#shape;
    const bytes = new Uint8Array(this.#memory.buffer);
    const row = new Float32Array(this.#memory.buffer, Math.ceil(raw / 4) * 4, columns);
    const random = randomBits(2);
    for (let token = 0; token < tokens; token++) {
      const to = x + token * xStride;
      for (let i = 0; i < columns; i++) row[i] = random() / 2 ** 31 - 1;
      if (format.form === 'f32') new Float32Array(this.#memory.buffer, to, columns).set(row);
      else {
        const int8 = format.form === 'int8';
        this.#kernels.quantizeRow(row.byteOffset, columns, int8 ? to : 0, int8 ? 0 : to);
      }
    }
    // A single token's activations lie in every thread's own region.
    for (let worker = 0; worker < threads; worker++) {
      bytes.copyWithin(regions + worker * privateBytes, x, x + xStride);
    }
  }

  /**
   * Multiplies with every copy once; this thread is one of the threads.
   *
   * @param {number} [skipped] so many chunks of each product are left out, as if others had done them
   */
  step(skipped = 0) {
    const { copies } = this.#shape;
    const epoch = ++this.#epoch;
    this.#kernels.begin(epoch, copies);
    const words = new Int32Array(this.#memory.buffer);
    // Of each ticket, the lower half counts chunks: taken, and done.
    for (let word = 0; skipped && word < copies * 4; word += 2) words[TICKETS / 4 + word] = skipped;
    if (this.#workers.length > 0) {
      Atomics.store(words, C.EPOCH / 4, epoch);
      Atomics.notify(words, C.EPOCH / 4);
    }
    if (!this.#kernels.walk(0, epoch)) throw new Error('a worker gave up');
  }

  /** Chunks of a product, after a step. */
  chunksTaken() {
    return new Int32Array(this.#memory.buffer)[TICKETS / 4] ?? 0;
  }

  /** Kernel calls of the slow thread so far. */
  slowCalls() {
    return Atomics.load(this.#slowCalls, 0);
  }

  /** The first token's results. */
  output() {
    return new Float32Array(this.#memory.buffer, this.#output, this.#shape.rows).slice();
  }

  /** Until all threads are there to take part. */
  async ready() {
    await Promise.all(this.#started);
  }

  /** Ends the threads. */
  async close() {
    const words = new Int32Array(this.#memory.buffer);
    Atomics.store(words, C.STOP / 4, 1);
    Atomics.add(words, C.EPOCH / 4, 1);
    Atomics.notify(words, C.EPOCH / 4);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
