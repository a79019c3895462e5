/** A conversation's tokens and its pages of the KV cache. */
import { ContextOverflowError, ModelError } from '../errors.ts';
import { PAGE } from '../kernels/control.ts';
import { ROOT, type PagePool } from './page-pool.ts';
import type { Sequence } from './types.ts';

export interface KvOptions {
  /** Positions a sequence may hold. */
  limit: number;
  /** Full pages are shared with sequences that begin alike. */
  sharing: boolean;
}

/** One call at a time may use it. */
export class KvSequence implements Sequence {
  readonly tokens: number[] = [];
  readonly pages: number[] = [];
  /** Set while a generation runs on this sequence. */
  busy = false;
  disposed = false;
  /** The same text in a draft model's cache: see speculation/draft-model.ts. */
  companion: KvSequence | undefined;
  readonly limit: number;
  private readonly pool: PagePool;
  private readonly sharing: boolean;
  /** Nodes of the full pages, in the pool's register. */
  private readonly nodes: number[] = [];

  constructor(pool: PagePool, { limit, sharing }: KvOptions) {
    this.pool = pool;
    this.limit = limit;
    this.sharing = sharing;
  }

  /** How many more tokens fit into the context and into the pool that all sequences share. */
  get room(): number {
    const pages = this.pages.length + this.pool.available;
    return Math.min(this.limit, pages * PAGE) - this.tokens.length;
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

  /** The cache holds these tokens now. */
  append(ids: readonly number[]): void {
    for (const id of ids) this.tokens.push(id);
    if (!this.sharing) return;
    for (let page = this.nodes.length; (page + 1) * PAGE <= this.tokens.length; page++) {
      const tokens = this.tokens.slice(page * PAGE, (page + 1) * PAGE);
      this.nodes.push(this.pool.register(this.pages[page]!, this.nodes.at(-1) ?? ROOT, tokens));
    }
  }

  /**
   * Keeps what it holds of `ids` and takes over pages of other sequences that begin alike, at most up to the token
   * before the last. Returns how many tokens it holds then.
   */
  reuse(ids: readonly number[]): number {
    const most = ids.length - 1;
    let own = 0;
    while (own < most && this.tokens[own] === ids[own]) own++;
    this.truncate(own);
    if (!this.sharing) return this.tokens.length;
    const found: { page: number; node: number }[] = [];
    const start = Math.floor(this.tokens.length / PAGE);
    let parent = this.nodes[start - 1] ?? ROOT;
    for (let page = start; (page + 1) * PAGE <= most; page++) {
      const hit = this.pool.find(parent, ids.slice(page * PAGE, (page + 1) * PAGE));
      if (!hit) break;
      found.push(hit);
      parent = hit.node;
    }
    if (found.length > 0) {
      this.truncate(start * PAGE);
      for (const { page, node } of found) {
        this.pages.push(page);
        this.nodes.push(node);
      }
      for (const id of ids.slice(start * PAGE, (start + found.length) * PAGE)) this.tokens.push(id);
    }
    return this.tokens.length;
  }

  /** Forgets all tokens from position `length` on, and some more where a page is shared that would be rewritten. */
  truncate(length: number): void {
    length = Math.min(length, this.tokens.length);
    const cut = Math.floor(length / PAGE);
    // A page that was full and will be written again.
    if (length % PAGE !== 0 && cut < this.nodes.length) {
      if (this.pool.isShared(this.pages[cut]!)) length = cut * PAGE;
      else this.pool.forget(this.pages[cut]!);
    }
    this.tokens.length = length;
    this.nodes.length = Math.min(this.nodes.length, cut);
    this.pool.give(this.pages.splice(Math.ceil(length / PAGE)));
  }

  /** @throws ModelError while a call uses it */
  clear(): void {
    if (this.busy) throw new ModelError('the sequence is in use by another call');
    this.truncate(0);
  }

  dispose(): void {
    this.disposed = true;
    this.companion?.dispose();
    // A running generation gives the pages back itself when it ends.
    if (!this.busy) this.truncate(0);
  }
}
