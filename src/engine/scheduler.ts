/**
 * Continuous batching: merges what the generations of a model ask for into steps. Sequences join and leave
 * between steps; a token's logits are the same bits in any company, so nobody can tell.
 */
import { AbortedError } from '../errors.ts';
import type { KvSequence } from './kv-cache.ts';
import { MOST_RUNS } from './layout/segment.ts';
import { nextTask } from './next-task.ts';
import type { StepShare } from './observe.ts';
import type { OutputRow } from './output-row.ts';
import { logitRows, type Run, type Runner } from './runner.ts';

interface Request {
  sequence: KvSequence;
  ids: readonly number[];
  outputs: Run['outputs'];
  signal: AbortSignal | undefined;
  /** How many of the ids the cache holds by now. */
  done: number;
  deliver: (rows: OutputRow[]) => void;
  fail: (error: unknown) => void;
  onStep: ((share: StepShare) => void) | undefined;
}

/** What is wanted of all tokens, or of an encoder's text, is not computed in pieces. */
const inOneStep = ({ outputs }: Request) => outputs === 'all' || outputs === 'hidden' || outputs === 'first';

/** A part of a request that goes into the next step. */
interface Share {
  request: Request;
  run: Run;
}

/** While others decode, a step with newcomers' prompts in it takes about this long. */
const STEP_MS = 80;
/** Tokens of such a step before anything has been measured. */
const FIRST_STEP = 32;
/** Prompt tokens of such a step at least, also where those that decode take all its time. */
const LEAST_PIECE = 2;
/**
 * A generation whose caller takes its time between two tokens still decodes for so many milliseconds; one that has
 * been left standing for longer slows nobody down.
 */
const STILL_DECODING_MS = 1000;

export class Scheduler {
  private readonly runner: Runner;
  private readonly batch: number;
  private readonly outputs: number;
  private waiting: Request[] = [];
  private running = false;
  /** Tokens that a step holds at most while somebody decodes. */
  private paced = FIRST_STEP;
  /** Generations that have got logits and may come back for more, and when they got them. */
  private readonly decoding = new Map<KvSequence, number>();

  /** @param limits tokens, and rows of logits, in one step */
  constructor(runner: Runner, limits: { batch: number; outputs: number }) {
    this.runner = runner;
    this.batch = limits.batch;
    this.outputs = limits.outputs;
  }

  /**
   * Appends `ids` to a sequence, in one step or several, and hands the wanted rows to `read`, as views that are
   * valid only during the call. With outputs "all", "hidden" and "first" the ids must fit in one step. `onStep` is called after each
   * step with the place of these ids in it.
   *
   * @throws ContextOverflowError before anything is computed; AbortedError between steps, with the part that
   *   was computed left in the sequence; WorkerError
   */
  extend<T>(
    sequence: KvSequence,
    ids: readonly number[],
    outputs: Run['outputs'],
    read: (rows: OutputRow[]) => T,
    signal?: AbortSignal,
    onStep?: (share: StepShare) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, fail) => {
      if (signal?.aborted) throw new AbortedError();
      sequence.reserve(ids.length);
      const deliver = (rows: OutputRow[]) => {
        try {
          resolve(read(rows));
        } catch (error) {
          fail(error);
        }
      };
      this.waiting.push({ sequence, ids, outputs, signal, done: 0, deliver, fail, onStep });
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.waiting.length > 0) {
      const shares = this.compose();
      if (shares.length === 0) continue;
      const started = performance.now();
      try {
        const results = await this.runner.step(shares.map((share) => share.run));
        this.learn(shares, performance.now() - started);
        this.settle(shares, results);
      } catch (error) {
        for (const { request } of shares) request.fail(error);
        this.waiting = this.waiting.filter((request) => shares.every((share) => share.request !== request));
      }
      // Those that have just got their logits ask for the next step before others go on without them.
      if (shares.length > 1 || this.waiting.length > 0) await nextTask();
    }
    this.running = false;
  }

  /** What goes into the next step: what decodes first, a token or a few proposals; then prompts as far as they fit. */
  private compose(): Share[] {
    for (const request of this.waiting.filter(({ signal }) => signal?.aborted))
      request.fail(new AbortedError());
    this.waiting = this.waiting.filter(({ signal }) => !signal?.aborted);
    const left = ({ ids, done }: Request) => ids.length - done;
    const isPrompt = (request: Request) => left(request) > 1 && !inOneStep(request);
    const order = [...this.waiting].sort((a, b) => Number(isPrompt(a)) - Number(isPrompt(b)));
    const shares: Share[] = [];
    let tokens = this.batch;
    let rows = this.outputs;
    // Prompts share what those that decode leave of a step; the first come has its whole prompt done first.
    let pace = Infinity;
    for (const request of order) {
      if (shares.length === MOST_RUNS || tokens === 0) break;
      const whole = left(request);
      if (isPrompt(request) && pace === Infinity && this.othersDecode(request)) {
        pace = Math.max(LEAST_PIECE, this.paced - (this.batch - tokens));
      }
      if (isPrompt(request) && pace === 0) break;
      const count = Math.min(whole, tokens, isPrompt(request) ? pace : tokens);
      const last = count === whole;
      if (inOneStep(request) && !last) continue;
      const outputs = request.outputs === 'last' && !last ? 'none' : request.outputs;
      const wanted = logitRows(outputs, count);
      if (wanted > rows) continue;
      const ids = request.ids.slice(request.done, request.done + count);
      shares.push({ request, run: { sequence: request.sequence, ids, outputs } });
      tokens -= count;
      rows -= wanted;
      if (isPrompt(request)) pace -= count;
    }
    return shares;
  }

  /** Whether a generation other than that of `request` is between two of its tokens. */
  private othersDecode({ sequence }: Request): boolean {
    const since = performance.now() - STILL_DECODING_MS;
    for (const [other, last] of this.decoding) {
      if (!other.busy || last < since) this.decoding.delete(other);
    }
    return this.decoding.size > Number(this.decoding.has(sequence));
  }

  private settle(shares: Share[], results: OutputRow[][]): void {
    const finished = new Set<Request>();
    let row = 0;
    let output = 0;
    for (const [i, { request, run }] of shares.entries()) {
      const count = run.ids.length;
      const outputs = logitRows(run.outputs, count);
      run.sequence.append(run.ids);
      request.onStep?.({ row, count, start: request.done, output, outputs });
      request.done += count;
      if (request.done === request.ids.length) {
        request.deliver(results[i]!);
        finished.add(request);
        if (outputs > 0 && run.sequence.busy) this.decoding.set(run.sequence, performance.now());
      }
      row += count;
      output += outputs;
    }
    this.waiting = this.waiting.filter((request) => !finished.has(request));
  }

  /** Adapts paced steps to what this machine does in STEP_MS. */
  private learn(shares: Share[], ms: number): void {
    const tokens = shares.reduce((sum, { run }) => sum + run.ids.length, 0);
    if (tokens < LEAST_PIECE || ms <= 0) return;
    this.paced = Math.max(LEAST_PIECE, Math.min(this.batch, Math.floor((tokens * STEP_MS) / ms)));
  }
}
