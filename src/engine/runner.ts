/**
 * Runs steps: one pass of a batch of tokens through all segments. The calling thread writes the inputs,
 * publishes a step number and is told when the workers are done; it never computes and never waits.
 */
import { ModelError, WorkerError } from '../errors.ts';
import * as C from '../kernels/control.ts';
import { poison } from '../kernels/poison.ts';
import { PEAK_SPAN } from '../kernels/record.ts';
import type { KernelExports } from '../kernels/exports.ts';
import type { ModelSpec } from './architectures/types.ts';
import type { Workers } from './host.ts';
import type { KvSequence } from './kv-cache.ts';
import { readProfile, type StepCounts } from './profile.ts';
import { showObserved, type StepShare } from './observe.ts';
import { MOST_RUNS } from './layout/segment.ts';
import type { SegmentLayout } from './layout/types.ts';
import type { OutputRow } from './output-row.ts';
import type { Buffer } from './program.ts';
import type { RopeTable } from './rope.ts';
import type { Observation, ProfileRow } from './types.ts';

/** Tokens of one sequence in a batch; they follow what the sequence holds. */
export interface Run {
  sequence: KvSequence;
  ids: readonly number[];
  /** What is wanted: rows of logits, or the hidden states after the last layer and its norm. */
  outputs: 'none' | 'first' | 'last' | 'all' | 'hidden';
}

/** Whether the logits of the i-th of `count` tokens are wanted. */
function wantsLogits(outputs: Run['outputs'], i: number, count: number): boolean {
  if (outputs === 'first') return i === 0;
  return outputs === 'all' || (outputs === 'last' && i === count - 1);
}

/** How many rows of logits a run of so many tokens asks for. */
export function logitRows(outputs: Run['outputs'], count: number): number {
  if (outputs === 'all') return count;
  return outputs === 'first' || outputs === 'last' ? 1 : 0;
}

export interface RunningSegment {
  memory: WebAssembly.Memory;
  kernels: KernelExports;
  layout: SegmentLayout;
}

/** A segment's memory as numbers: views that are made once. */
interface Views {
  words: Int32Array;
  floats: Float32Array;
}

/** Step numbers are positive 32-bit integers; after the last one they begin again. */
const LAST_EPOCH = 0x7fffffff;

export class Runner {
  private readonly spec: ModelSpec;
  private readonly segments: (RunningSegment & Views)[];
  private readonly workers: Workers;
  private readonly ropes: RopeTable[];
  private readonly sync: Int32Array;
  private readonly pages: number;
  private readonly threads: number;
  /** Rows of results, by index: their views are made once, for that takes longer than all else done with them. */
  private readonly rows: Record<'hidden' | 'logits', (OutputRow | undefined)[]> = { hidden: [], logits: [] };
  private readonly steps: StepCounts = { steps: 0, tokens: 0, outputs: 0 };
  /** Number of the last step. */
  private epoch = 0;
  /** The step under way, if any. */
  private current: Promise<unknown> = Promise.resolve();
  private failure: Error | undefined;
  private stopped: Promise<void> | undefined;

  constructor(
    spec: ModelSpec,
    segments: RunningSegment[],
    workers: Workers,
    { pages, threads, ropes }: { pages: number; threads: number; ropes: RopeTable[] },
  ) {
    this.spec = spec;
    this.segments = segments.map((segment) => {
      const { buffer } = segment.memory;
      return { ...segment, words: new Int32Array(buffer), floats: new Float32Array(buffer) };
    });
    this.workers = workers;
    this.pages = pages;
    this.threads = threads;
    this.ropes = ropes;
    this.sync = this.segments[0]!.words;
    workers.finished.then(
      () => this.fail(new WorkerError('the workers have stopped')),
      (error: unknown) =>
        this.fail(
          new WorkerError(`a worker died: ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          }),
        ),
    );
  }

  /**
   * Computes a batch and returns, for each run, the rows that it wants, as views into shared memory that the next
   * step overwrites. One step at a time: the scheduler's care.
   *
   * @throws WorkerError when a worker died or the model has been disposed of
   */
  step(runs: readonly Run[]): Promise<OutputRow[][]> {
    const result = this.run(runs);
    this.current = result.catch(() => undefined);
    return result;
  }

  private async run(runs: readonly Run[]): Promise<OutputRow[][]> {
    if (this.stopped) throw new WorkerError('the model has been disposed');
    if (this.failure) throw this.failure;
    if (this.epoch === LAST_EPOCH) {
      this.epoch = 0;
      Atomics.store(this.sync, C.DONE / 4, 0);
    }
    this.epoch++;
    // In this order: from `begin` on, a worker that is late in the step before takes no chunk, whatever it reads.
    for (const { kernels, layout } of this.segments) kernels.begin(this.epoch, layout.program.ops.length);
    const outputs = this.write(runs);
    await this.walk();
    this.steps.steps++;
    this.steps.tokens += runs.reduce((sum, run) => sum + run.ids.length, 0);
    this.steps.outputs += outputs;
    return this.results(runs);
  }

  /** Lets the workers return and waits until they have. Pending steps are rejected. */
  stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  private async end(): Promise<void> {
    await this.current;
    this.failure ??= new WorkerError('the model has been disposed');
    for (const { words } of this.segments) Atomics.store(words, C.STOP / 4, 1);
    this.wake();
    await this.workers.finished.catch(() => undefined);
    await this.workers.terminate();
  }

  /** What each op has cost so far; empty without profiling. */
  profile(): ProfileRow[] {
    return this.segments.flatMap(({ memory, layout }) =>
      readProfile(memory, layout, this.threads, this.steps),
    );
  }

  /** Whether the model was loaded with `observe`. */
  get observes(): boolean {
    return this.segments.some(({ layout }) => layout.observed.size > 0);
  }

  /** Shows what went into the matmuls of the last step, in the order of the layers. */
  showObserved(share: StepShare & { experts: boolean }, visit: (observation: Observation) => void): void {
    for (const { memory, layout } of this.segments) showObserved(memory, layout, share, visit);
  }

  private fail(error: Error): void {
    this.failure ??= error;
    poison(this.segments.map(({ memory }) => memory));
    this.wake();
    // The step that is waited for ends with a number of its own.
    Atomics.store(this.sync, C.DONE / 4, -1);
    Atomics.notify(this.sync, C.DONE / 4);
  }

  /**
   * Wakes the workers that wait for a step, to see STOP or POISON. The word that they wait on must change: one
   * that has just looked at STOP and is about to sleep would miss the notification alone.
   */
  private wake(): void {
    Atomics.store(this.sync, C.EPOCH / 4, -1);
    Atomics.notify(this.sync, C.EPOCH / 4);
  }

  /** Publishes the step and waits until its last chunk is done. */
  private async walk(): Promise<void> {
    Atomics.store(this.sync, C.EPOCH / 4, this.epoch);
    Atomics.notify(this.sync, C.EPOCH / 4);
    while (!this.failure) {
      const done = Atomics.load(this.sync, C.DONE / 4);
      if (done === this.epoch) break;
      const waiting = Atomics.waitAsync(this.sync, C.DONE / 4, done);
      if (waiting.async) await waiting.value;
    }
    if (this.failure) throw this.failure;
    for (const { words } of this.segments) {
      if (Atomics.exchange(words, C.BROKEN / 4, 0) !== 0) {
        throw new ModelError(
          'activations became NaN: the file is damaged, or its architecture is not what it says',
          {
            code: 'ERR_NON_FINITE',
          },
        );
      }
    }
  }

  /** Fills the step inputs of every segment; returns how many rows of logits are wanted. */
  private write(runs: readonly Run[]): number {
    if (runs.length > MOST_RUNS) throw new RangeError(`more than ${MOST_RUNS} sequences in a batch`);
    let outputs = 0;
    for (const { words, floats, layout } of this.segments) {
      const { inputs } = layout;
      let row = 0;
      outputs = 0;
      runs.forEach(({ sequence, ids, outputs: wanted }, run) => {
        const table = inputs.pageNumbers / 4 + run * this.pages;
        words.set(sequence.pages, table);
        const start = sequence.tokens.length;
        ids.forEach((id, i) => {
          words[inputs.tokenIds / 4 + row] = id;
          words[inputs.positions / 4 + row] = start + i;
          words[inputs.pageTables / 4 + row] = table * 4;
          this.ropes.forEach((rope, r) =>
            rope.write(start + i, floats, inputs.ropes[r]! / 4 + row * rope.rope.rotary),
          );
          if (wantsLogits(wanted, i, ids.length)) {
            words[inputs.outputRows / 4 + outputs++] = row;
          }
          row++;
        });
      });
      const { ops, usual } = layout.program;
      words[C.OPS / 4] = runs.some((run) => run.outputs === 'hidden') ? ops.length : usual;
      Atomics.store(words, C.TOKENS / 4, row);
      Atomics.store(words, C.OUTPUTS / 4, outputs);
    }
    return outputs;
  }

  /** Each run's rows of logits, or of hidden states. */
  private results(runs: readonly Run[]): OutputRow[][] {
    const { width, outputs: scores } = this.spec;
    let token = 0;
    let output = 0;
    return runs.map(({ ids, outputs }) => {
      const rows: OutputRow[] = [];
      if (outputs === 'hidden')
        for (let i = 0; i < ids.length; i++) rows.push(this.row('hidden', token + i, width));
      else
        for (let i = logitRows(outputs, ids.length); i > 0; i--)
          rows.push(this.row('logits', output++, scores));
      token += ids.length;
      return rows;
    });
  }

  /** Row `index` of a buffer. */
  private row(name: 'hidden' | 'logits', index: number, width: number): OutputRow {
    return (this.rows[name][index] ??= this.view(name, index, width));
  }

  private view(name: 'hidden' | 'logits', index: number, width: number): OutputRow {
    const { memory, layout } = this.segments.at(-1)!;
    const of = (buffer: Buffer, length: number) => {
      const { address, stride } = layout.buffers.get(buffer)!;
      return new Float32Array(memory.buffer, address + index * stride, length);
    };
    const values = of(name, width);
    if (name === 'hidden' || layout.buffers.get('peaks')!.stride === 0) return { values };
    return { values, peaks: of('peaks', Math.ceil(width / PEAK_SPAN)) };
  }
}
