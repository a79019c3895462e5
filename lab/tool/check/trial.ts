/** One kernel on one problem in one memory: everything around the call is watched. */
import { LabError } from '../errors.ts';
import type { Problem } from '../problems/index.ts';
import {
  SCRATCH_BYTES,
  STATIC_BASE,
  STATIC_END,
  createMemory,
  place,
  type Buffer3,
  type Placement,
} from '../runner/memory.ts';
import { TrapError, type Pool } from '../runner/pool.ts';
import type { Call } from '../runner/protocol.ts';

/** Patterns that memory holds before a call; to floating point numbers the first is NaN, the second about 0.75. */
export const PATTERNS = [0xff, 0x3f] as const;

/** A kernel did something that it must not do; the message teaches. */
export class Fault extends Error {}

export interface TrialOptions {
  module: WebAssembly.Module;
  pool: Pool;
  problem: Problem;
  /** Workers that calls of this trial may have. */
  workers?: number;
  /** Buffer that ends where the memory ends. */
  last?: Buffer3;
  pattern?: number;
  /** Milliseconds that one call may take. */
  limit: number;
}

export class Trial {
  readonly call: Call;
  private readonly options: TrialOptions;
  private readonly placement: Placement;
  private readonly memory: WebAssembly.Memory;
  private readonly bytes: Buffer;
  private before: Buffer;
  private kernel = -1;

  private constructor(options: TrialOptions) {
    const { problem, workers = 1, last } = options;
    const { rows, columns, tokens } = problem;
    this.options = options;
    const sizes = {
      weights: problem.weights.length,
      activations: problem.activations.length,
      output: tokens * rows * 4,
      workers,
    };
    this.placement = place(sizes, last);
    this.memory = createMemory(this.placement.bytes);
    this.bytes = Buffer.from(this.memory.buffer);
    this.before = Buffer.alloc(0);
    this.call = { ...this.placement, rows, columns, tokens };
  }

  /** Lays out memory and makes the kernel known to `threads` threads. */
  static async create(options: TrialOptions, threads = 1): Promise<Trial> {
    const trial = new Trial(options);
    trial.bytes.fill(options.pattern ?? PATTERNS[0], STATIC_BASE);
    trial.kernel = await options.pool.load(options.module, trial.memory, threads, options.limit);
    trial.checkStatics();
    trial.reset();
    return trial;
  }

  /** The module's constants must lie in the range that is theirs. */
  private checkStatics(): void {
    const pattern = this.options.pattern ?? PATTERNS[0];
    const rest = this.bytes.subarray(STATIC_END);
    if (!rest.equals(Buffer.alloc(rest.length, pattern))) {
      throw new Fault(
        `its constants (memory.data) take more than ${STATIC_END - STATIC_BASE} bytes: make them smaller`,
      );
    }
  }

  /** Fills all but constants with the pattern, and writes the inputs. */
  reset(): void {
    const { problem, pattern = PATTERNS[0] } = this.options;
    this.bytes.fill(pattern, STATIC_END);
    this.bytes.set(problem.weights, this.call.weights);
    this.bytes.set(problem.activations, this.call.activations);
    this.setCounter(0);
    this.before = Buffer.from(this.bytes);
  }

  setCounter(value: number): void {
    this.bytes.writeInt32LE(value, this.call.counter);
  }

  get counter(): number {
    return this.bytes.readInt32LE(this.call.counter);
  }

  /** Runs workers first .. last - 1 of `workers`, one after the other. */
  async run(range: { first?: number; last?: number; workers?: number } = {}): Promise<void> {
    const { first = 0, last = first + 1 } = range;
    await this.guard(
      () => this.options.pool.run(this.kernel, this.call, range, this.options.limit),
      first,
      last,
    );
  }

  /** Runs all workers at once, `times` times. */
  async together(workers: number, times: number): Promise<void> {
    await this.guard(
      () => this.options.pool.together(this.kernel, this.call, workers, times, this.options.limit),
      0,
      workers,
    );
  }

  private async guard(run: () => Promise<void>, first: number, last: number): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (error instanceof TrapError) throw new Fault(this.explainTrap(error.message));
      if (error instanceof LabError && error.code === 'ERR_LAB_TIME') {
        throw new Fault(
          `${error.message}: a loop that does not end? Look at what changes its condition, and by how much`,
        );
      }
      throw error;
    }
    this.checkFences(first, last);
  }

  private explainTrap(message: string): string {
    const { last } = this.options;
    if (/out of bounds/.test(message)) {
      const where = last
        ? `${last} end where the memory ends, and the kernel reads or writes beyond`
        : 'an address lies outside the memory';
      return `out of bounds: ${where}. Check the last turn of your loops, and loads that are wider than what is left`;
    }
    if (/divide by zero|remainder by zero/.test(message)) return `it divides by zero (${message})`;
    return `it stopped with a trap: ${message}`;
  }

  /** Only the output, the counter and the scratch of workers first .. last - 1 may have changed. */
  private checkFences(first: number, last: number): void {
    const { call, options } = this;
    const output = options.problem.rows * options.problem.tokens * 4;
    const free: [number, number][] = [
      [call.output, call.output + output],
      [call.counter, call.counter + 4],
      [call.scratch + SCRATCH_BYTES * first, call.scratch + SCRATCH_BYTES * last],
    ];
    free.sort((a, b) => a[0] - b[0]);
    let from = 0;
    for (const [begin, end] of [...free, [this.bytes.length, 0] as [number, number]]) {
      if (this.bytes.compare(this.before, from, begin, from, begin) !== 0) {
        const at =
          from + this.bytes.subarray(from, begin).findIndex((byte, i) => byte !== this.before[from + i]);
        throw new Fault(`it writes where it must not: ${this.describe(at)}`);
      }
      from = end;
    }
  }

  private describe(at: number): string {
    const { call, options } = this;
    const { problem } = options;
    const buffers = [
      ['the weights', call.weights, problem.weights.length],
      ['the activations', call.activations, problem.activations.length],
      ['the output', call.output, problem.rows * problem.tokens * 4],
      ['the counter', call.counter, 4],
      ["the other workers' scratch", call.scratch, SCRATCH_BYTES * (options.workers ?? 1)],
    ] as const;
    if (at < STATIC_END) {
      return "among the module's constants. Memory that is written must come from `scratch`: constants are shared by all workers";
    }
    for (const [name, address, bytes] of buffers) {
      if (at >= address && at < address + bytes) return `byte ${at - address} of ${name}`;
      const after = at - address - bytes;
      if (after >= 0 && after < 2048)
        return `${after} bytes after the end of ${name}: a row, or a vector, too many?`;
      if (at < address && address - at <= 2048) return `${address - at} bytes before ${name}`;
    }
    return `address ${at}, which belongs to none of its buffers`;
  }

  /** The output as numbers: a copy. */
  output(): Float32Array {
    const { rows, tokens } = this.options.problem;
    return Float32Array.from(new Float32Array(this.memory.buffer, this.call.output, rows * tokens));
  }

  /** Which outputs a call has changed, as far as bytes tell. */
  written(): boolean[] {
    const { rows, tokens } = this.options.problem;
    return Array.from({ length: rows * tokens }, (_, i) => {
      const at = this.call.output + 4 * i;
      return this.bytes.compare(this.before, at, at + 4, at, at + 4) !== 0;
    });
  }
}

/** The same bits, NaN included. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  return Buffer.from(a.buffer).equals(Buffer.from(b.buffer));
}
