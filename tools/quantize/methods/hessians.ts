/**
 * Hessians X^T X of the inputs of linear layers, collected while the model runs, in one memory for all threads:
 *
 *     64 KiB  constants of the module, which every thread writes alike
 *     of each input: order of its columns | rows of a batch | H [columns x columns] f32
 *     of each thread: a matrix and a row to factorize in
 */
import { NibbleError, UsageError } from '../../../src/errors.ts';
import type { Observation } from '../../../src/engine/types.ts';
import type { Input } from '../../calibration/calibration.ts';
import type { QuantizeModules } from '../kernels.ts';
import type { QuantizeThreads } from '../pool.ts';
import type { SharedMemory } from './hessian-tasks.ts';

const PAGE = 65536;
const MOST_PAGES = 65536;
/** Tokens in a batch of a model that is observed. */
const BATCH = 64;
/** Stripes of fewer columns are not worth a task of their own. */
const LEAST_STRIPE = 512;
/** Each attempt to factorize adds ten times as much to the diagonal. */
const ATTEMPTS = 4;

interface Slot {
  input: Input;
  order: number;
  rows: number;
  tokens: number;
  h: number;
}

/** What an input's Hessian comes to. */
export interface Factor {
  /** Mean squares of the columns. */
  importance: Float32Array;
  order: Int32Array;
  buffer: SharedArrayBuffer;
  offset: number;
}

export interface FactorOptions {
  /** Columns with large inputs are walked first. */
  byImportance: boolean;
  /** Added to the diagonal, as a part of its mean. */
  damping: number;
  /**
   * Products of different columns are trusted as much as if there had been so many times as many tokens as columns, of
   * the same sizes and without any correlation.
   */
  prior: number;
}

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Bytes that an input needs. */
export function hessianBytes({ width }: Input): number {
  return aligned(width * 4) + aligned(BATCH * width * 4) + aligned(width * width * 4);
}

let memories = 0;

export class Hessians {
  private readonly shared: SharedMemory;
  private readonly threads: QuantizeThreads;
  private readonly slots = new Map<Input, Slot>();
  /** Where each thread factorizes. */
  private readonly work: number[];

  /** @throws UsageError where a layer needs more than a WebAssembly memory holds */
  constructor(inputs: readonly Input[], modules: QuantizeModules, threads: QuantizeThreads) {
    this.threads = threads;
    let top = PAGE;
    const take = (bytes: number): number => {
      const address = top;
      top += aligned(bytes);
      return address;
    };
    for (const input of inputs) {
      const { width } = input;
      const [order, rows] = [take(width * 4), take(BATCH * width * 4)];
      this.slots.set(input, { input, order, rows, tokens: 0, h: take(width * width * 4) });
    }
    const widest = Math.max(...inputs.map(({ width }) => width));
    this.work = Array.from({ length: threads.count }, () => take((widest + 1) * widest * 4));
    const pages = Math.ceil(top / PAGE);
    if (pages >= MOST_PAGES) {
      throw new UsageError(
        `the Hessians of layer ${inputs[0]!.layer} need ${(top / 2 ** 30).toFixed(1)} GiB, more than WebAssembly has: ` +
          'use --method awq or imatrix',
      );
    }
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.shared = { id: memories++, memory, modules };
  }

  /** Keeps the rows until `flush`. */
  add(input: Input, { rows, count }: Observation): void {
    const slot = this.slots.get(input)!;
    if (slot.tokens + count > BATCH) throw new RangeError(`a batch of more than ${BATCH} tokens`);
    const at = slot.rows + slot.tokens * input.width * 4;
    new Float32Array(this.shared.memory.buffer, at, rows.length).set(rows);
    slot.tokens += count;
  }

  /** Adds the products of the rows that were kept, on all threads. */
  async flush(): Promise<void> {
    const tasks = [...this.slots.values()].flatMap((slot) => this.stripes(slot));
    await Promise.all(tasks);
    for (const slot of this.slots.values()) slot.tokens = 0;
  }

  /** The lower triangle in stripes of about the same area. */
  private stripes({ input: { width }, rows, tokens, h }: Slot): Promise<unknown>[] {
    const count = Math.max(1, Math.min(this.threads.count, Math.floor(width / LEAST_STRIPE)));
    const edge = (i: number): number => Math.round((width * Math.sqrt(i / count)) / 4) * 4;
    return Array.from({ length: count }, (_, i) =>
      this.threads.addProducts({
        ...this.shared,
        ...{ x: rows, tokens, columns: width, h, first: edge(i), last: edge(i + 1) },
      }),
    );
  }

  /**
   * Factorizes all Hessians.
   *
   * @param tokens that each has seen
   * @throws NibbleError ERR_CALIBRATION where damping does not help
   */
  async factorize(tokens: number, options: FactorOptions): Promise<Map<Input, Factor>> {
    const factors = new Map<Input, Factor>();
    const slots = [...this.slots.values()].sort((a, b) => b.input.width - a.input.width);
    const next = slots.values();
    await Promise.all(
      this.work.map(async (work) => {
        for (const slot of next) factors.set(slot.input, await this.factor(slot, tokens, work, options));
      }),
    );
    return factors;
  }

  private async factor(
    { input: { width, tensors }, order: orderAt, h }: Slot,
    tokens: number,
    work: number,
    { byImportance, damping, prior }: FactorOptions,
  ): Promise<Factor> {
    const { buffer } = this.shared.memory;
    const matrix = new Float32Array(buffer, h, width * width);
    const importance = Float32Array.from({ length: width }, (_, i) => matrix[i * (width + 1)]! / tokens);
    const order = Int32Array.from({ length: width }, (_, i) => i);
    if (byImportance) order.sort((a, b) => importance[a]! - importance[b]! || b - a);
    new Int32Array(buffer, orderAt, width).set(order);
    const mean = (importance.reduce((a, b) => a + b, 0) / width) * tokens;
    let added = damping * mean || 1;
    const trust = tokens / (tokens + prior * width);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const task = { ...this.shared, h, columns: width, order: orderAt, damping: added, trust, work };
      if (await this.threads.factorize(task)) {
        return { importance, order, buffer: buffer as unknown as SharedArrayBuffer, offset: h };
      }
      added *= 10;
    }
    throw new NibbleError(
      'ERR_CALIBRATION',
      `${tensors[0]}: its inputs are too alike for GPTQ: calibrate with more text`,
    );
  }
}
