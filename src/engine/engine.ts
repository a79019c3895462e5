/** A loaded model as token ids see it: sequences, prefill, decode, logits. Text belongs to chat/model.ts. */
import { ContextOverflowError, ModelError, UsageError } from '../errors.ts';
import type { ByteSink } from '../gguf/sinks.ts';
import type { ByteSource } from '../gguf/types.ts';
import type { ModelSpec } from './architectures/types.ts';
import { requireDecoder } from './decoder-only.ts';
import { KvSequence } from './kv-cache.ts';
import type { OutputRow } from './output-row.ts';
import { PagePool } from './page-pool.ts';
import type { Run, Runner } from './runner.ts';
import { Scheduler } from './scheduler.ts';
import type { PageStore } from './state/pages.ts';
import { readState, writeState, type StateModel } from './state/transfer.ts';
import type {
  CacheStats,
  LogitOptions,
  ModelInfo,
  Observation,
  ObserveOptions,
  ProfileRow,
  Sequence,
} from './types.ts';

export interface EngineParts {
  spec: ModelSpec;
  runner: Runner;
  info: ModelInfo;
  pages: number;
  /** Sequences that begin alike share pages. */
  sharing: boolean;
  /** Tokens per prefill batch, and rows of logits per step. */
  batch: number;
  outputs: number;
  /** The pages, for state files, and what tells this model from others. */
  store: PageStore;
  fingerprint: () => Promise<string>;
}

export class Engine {
  readonly info: ModelInfo;
  readonly vocabulary: number;
  private readonly runner: Runner;
  private readonly scheduler: Scheduler;
  private readonly pool: PagePool;
  private readonly sharing: boolean;
  private readonly batch: number;
  private readonly outputs: number;
  private readonly store: PageStore;
  private readonly findFingerprint: () => Promise<string>;
  private fingerprint: Promise<string> | undefined;
  private promptTokens = 0;
  private reusedTokens = 0;

  constructor(parts: EngineParts) {
    this.info = parts.info;
    this.vocabulary = parts.spec.vocabulary;
    this.runner = parts.runner;
    this.scheduler = new Scheduler(parts.runner, parts);
    this.pool = new PagePool(parts.pages);
    this.sharing = parts.sharing;
    this.batch = parts.batch;
    this.outputs = parts.outputs;
    this.store = parts.store;
    this.findFingerprint = parts.fingerprint;
  }

  createSequence(): KvSequence {
    return new KvSequence(this.pool, { limit: this.info.contextSize, sharing: this.sharing });
  }

  /** A sequence of this model that goes with one of another model, and is disposed of with it. */
  companionOf(sequence: KvSequence): KvSequence {
    if (!sequence.companion?.belongsTo(this.pool)) {
      sequence.companion?.dispose();
      sequence.companion = this.createSequence();
    }
    return sequence.companion;
  }

  /** Rows of logits that one step can give. */
  get mostRows(): number {
    return Math.min(this.batch, this.outputs);
  }

  /**
   * Takes a sequence for one call: `use` runs alone on it.
   *
   * @throws ModelError when it is in use or disposed of; UsageError when it is another model's
   */
  acquire(sequence: Sequence): KvSequence {
    if (!(sequence instanceof KvSequence && sequence.belongsTo(this.pool))) {
      throw new UsageError('the sequence belongs to another model');
    }
    if (sequence.disposed) throw new ModelError('the sequence has been disposed of');
    if (sequence.busy) throw new ModelError('the sequence is in use by another call');
    sequence.busy = true;
    return sequence;
  }

  release(sequence: KvSequence): void {
    sequence.busy = false;
    if (sequence.disposed) sequence.dispose();
  }

  /** @throws UsageError for an id outside the vocabulary */
  check(ids: readonly number[]): void {
    const bad = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < this.vocabulary));
    if (bad !== undefined)
      throw new UsageError(`token id ${bad} is outside the vocabulary of ${this.vocabulary}`);
  }

  /**
   * Brings the sequence to hold exactly `ids`, keeping what it already has of them, and hands the logits
   * after the last one to `read`. Returns how many tokens were kept.
   *
   * @throws ContextOverflowError before anything is computed; AbortedError between batches
   */
  async prefill<T>(
    sequence: KvSequence,
    ids: readonly number[],
    read: (logits: OutputRow) => T,
    signal?: AbortSignal,
  ): Promise<{ reused: number; result: T }> {
    requireDecoder(this.info);
    if (ids.length === 0) throw new UsageError('the prompt is empty: give at least one token');
    this.check(ids);
    if (ids.length > sequence.limit) {
      throw new ContextOverflowError(
        `the prompt has ${ids.length} tokens, the context holds ${sequence.limit}; use a larger --ctx-size or a shorter prompt`,
      );
    }
    // The last token is always computed: its logits are what is asked for.
    const reused = sequence.reuse(ids);
    this.promptTokens += ids.length;
    this.reusedTokens += reused;
    const result = await this.extend(sequence, ids.slice(reused), 'last', (rows) => read(rows[0]!), signal);
    return { reused, result };
  }

  /** Pages of the KV cache that are free, or can be. */
  get freePages(): number {
    return this.pool.available;
  }

  /**
   * Appends `ids` to a sequence and hands each token's hidden state, after the last layer and its norm, to `visit`,
   * as a view that is valid only during the call.
   */
  async hidden(
    sequence: KvSequence,
    ids: readonly number[],
    visit: (row: Float32Array, index: number) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    for (let start = 0; start < ids.length; start += this.batch) {
      const part = ids.slice(start, start + this.batch);
      const read = (rows: OutputRow[]) => rows.forEach((row, i) => visit(row.values, start + i));
      await this.extend(sequence, part, 'hidden', read, signal);
    }
  }

  /** Appends tokens and hands the wanted rows to `read`: see Scheduler.extend. */
  extend<T>(
    sequence: KvSequence,
    ids: readonly number[],
    outputs: Run['outputs'],
    read: (rows: OutputRow[]) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.scheduler.extend(sequence, ids, outputs, read, signal);
  }

  /** Logits of the positions of `ids` from `from` on, as copies, batch by batch: see Model.logitBatches. */
  async *logitBatches(
    ids: readonly number[],
    { from = 0, signal, ...options }: LogitOptions = {},
  ): AsyncGenerator<{ start: number; rows: Float32Array }> {
    requireDecoder(this.info);
    this.check(ids);
    if (!(Number.isInteger(from) && from >= 0 && from <= ids.length)) {
      throw new UsageError(`from must be a whole number from 0 to ${ids.length}, not ${from}`);
    }
    const sequence = this.acquire(options.sequence ?? this.createSequence());
    try {
      if (from === 0) sequence.truncate(0);
      // At most the tokens before `from`, whose logits nobody wants.
      const held = from === 0 ? 0 : sequence.reuse(ids.slice(0, from + 1));
      if (held < from) await this.extend(sequence, ids.slice(held, from), 'none', () => undefined, signal);
      const size = this.mostRows;
      for (let start = from; start < ids.length; start += size) {
        const part = ids.slice(start, start + size);
        const rows = await this.extend(sequence, part, 'all', (logits) => this.copy(logits), signal);
        yield { start, rows };
      }
    } finally {
      this.release(sequence);
      if (!options.sequence) sequence.dispose();
    }
  }

  /** Runs `ids` from position 0 and shows what goes into each matmul: see Model.observe. */
  async observe(
    ids: readonly number[],
    visit: (observation: Observation) => void,
    { outputs = false, experts = false, afterBatch, signal }: ObserveOptions = {},
  ): Promise<void> {
    if (!this.runner.observes) {
      throw new UsageError('the inputs of matmuls are not kept: load the model with observe: true');
    }
    this.check(ids);
    const sequence = this.createSequence();
    const size = outputs ? Math.min(this.batch, this.outputs) : this.batch;
    try {
      for (let start = 0; start < ids.length; start += size) {
        const part = ids.slice(start, start + size);
        await this.scheduler.extend(
          sequence,
          part,
          outputs ? 'all' : 'none',
          () => undefined,
          signal,
          (share) => this.runner.showObserved({ ...share, start: start + share.start, experts }, visit),
        );
        await afterBatch?.();
      }
    } finally {
      sequence.dispose();
    }
  }

  private copy(rows: OutputRow[]): Float32Array {
    const all = new Float32Array(rows.length * this.vocabulary);
    rows.forEach((row, i) => all.set(row.values, i * this.vocabulary));
    return all;
  }

  /**
   * Writes a sequence to a state file; see state/format.ts.
   *
   * @param options.extra JSON that the caller wants back
   */
  async saveState(
    sequence: Sequence,
    sink: ByteSink,
    options: { extra?: unknown; signal?: AbortSignal } = {},
  ): Promise<void> {
    await this.holding(sequence, async (held) => writeState(sink, held, await this.stateModel(), options));
  }

  /** Brings a sequence back from a state file, and the caller's part with it; throws as readState does. */
  loadState(sequence: Sequence, source: ByteSource, signal?: AbortSignal): Promise<unknown> {
    return this.holding(sequence, async (held) => readState(source, held, await this.stateModel(), signal));
  }

  private async holding<T>(sequence: Sequence, use: (held: KvSequence) => Promise<T>): Promise<T> {
    const held = this.acquire(sequence);
    try {
      return await use(held);
    } finally {
      this.release(held);
    }
  }

  private async stateModel(): Promise<StateModel> {
    const { kvType, layers, name } = this.info;
    this.fingerprint ??= this.findFingerprint();
    const shape = { kvType, layers, pageBytes: this.store.bytes, fingerprint: await this.fingerprint };
    return { ...shape, model: name, vocabulary: this.vocabulary, pages: this.store };
  }

  cacheStats(): CacheStats {
    const { promptTokens, reusedTokens } = this;
    const { free: freePages, cached: cachedPages } = this.pool.idle;
    return { promptTokens, reusedTokens, pages: this.pool.pages, freePages, cachedPages };
  }

  /** Times per kind of op since loading, when loaded with `profile`. */
  profile(): ProfileRow[] {
    return this.runner.profile();
  }

  dispose(): Promise<void> {
    return this.runner.stop();
  }
}
