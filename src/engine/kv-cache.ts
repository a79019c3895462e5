/** Who owns which page of the KV cache. The pages themselves live in the segments' memories. */
import { ContextOverflowError, ModelError } from '../errors.ts';
import { PAGE } from '../kernels/control.ts';
import type { Sequence } from './types.ts';

/** Hands out page numbers 0 .. pages - 1. */
export class PagePool {
  private readonly free: number[];
  readonly pages: number;

  constructor(pages: number) {
    this.pages = pages;
    // Low numbers first: memory that was never touched stays untouched.
    this.free = Array.from({ length: pages }, (_, i) => pages - 1 - i);
  }

  get available(): number {
    return this.free.length;
  }

  take(): number | undefined {
    return this.free.pop();
  }

  give(pages: readonly number[]): void {
    for (let i = pages.length - 1; i >= 0; i--) this.free.push(pages[i]!);
  }
}

/** A conversation's tokens and pages. One call at a time may use it. */
export class KvSequence implements Sequence {
  readonly tokens: number[] = [];
  readonly pages: number[] = [];
  /** Set while a generation runs on this sequence. */
  busy = false;
  disposed = false;
  private readonly pool: PagePool;
  /** Positions this sequence may hold. */
  readonly limit: number;

  constructor(pool: PagePool, limit: number) {
    this.pool = pool;
    this.limit = limit;
  }

  /** No token more fits: the context, or the pool that all sequences share, is used up. */
  get full(): boolean {
    const { length } = this.tokens;
    return length >= this.limit || (length >= this.pages.length * PAGE && this.pool.available === 0);
  }

  /** Its pages are of this pool, so of this model. */
  belongsTo(pool: PagePool): boolean {
    return this.pool === pool;
  }

  /**
   * Makes room for `count` more tokens.
   *
   * @throws ContextOverflowError when the context or the pool is full; nothing has changed then
   */
  reserve(count: number): void {
    const length = this.tokens.length + count;
    if (length > this.limit) {
      throw new ContextOverflowError(
        `${length} tokens do not fit in the context of ${this.limit}; use a larger --ctx-size or a shorter prompt`,
      );
    }
    const wanted = Math.ceil(length / PAGE) - this.pages.length;
    if (wanted > this.pool.available) {
      throw new ContextOverflowError(
        `the KV cache is full (${this.pool.pages * PAGE} positions, shared by all sequences); ` +
          'dispose of other sequences or use a larger --ctx-size',
      );
    }
    for (let i = 0; i < wanted; i++) this.pages.push(this.pool.take()!);
  }

  /** Forgets all tokens from position `length` on. */
  truncate(length: number): void {
    if (length >= this.tokens.length) length = this.tokens.length;
    this.tokens.length = length;
    this.pool.give(this.pages.splice(Math.ceil(length / PAGE)));
  }

  /** @throws ModelError while a call uses it */
  clear(): void {
    if (this.busy) throw new ModelError('the sequence is in use by another call');
    this.truncate(0);
  }

  dispose(): void {
    this.disposed = true;
    // A running generation gives the pages back itself when it ends.
    if (!this.busy) this.truncate(0);
  }
}
