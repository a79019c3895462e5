/**
 * Who owns which page of the KV cache. The pages themselves live in the segments' memories.
 *
 * A full page can be registered under what it holds: its tokens behind the page before it. Sequences that begin
 * alike then share it, and it stays findable after the last of them has gone, until its room is needed.
 */

interface Registered {
  key: string;
  /** Stands for the page and all before it, as the parent of the next page's key. */
  node: number;
}

/** The parent of a sequence's first page. */
export const ROOT = 0;

export class PagePool {
  readonly pages: number;
  private readonly free: number[];
  /** How many sequences hold each page. */
  private readonly holders: Uint32Array;
  private readonly registered: (Registered | undefined)[] = [];
  private readonly byKey = new Map<string, number>();
  /** Registered pages that nobody holds, the longest unused first. */
  private readonly unused = new Set<number>();
  private nodes = ROOT;

  constructor(pages: number) {
    this.pages = pages;
    this.holders = new Uint32Array(pages);
    // Low numbers first: memory that was never touched stays untouched.
    this.free = Array.from({ length: pages }, (_, i) => pages - 1 - i);
  }

  /** Pages that can be had. */
  get available(): number {
    return this.free.length + this.unused.size;
  }

  /** Free pages, and pages that nobody holds but that may be found again. */
  get idle(): { free: number; cached: number } {
    return { free: this.free.length, cached: this.unused.size };
  }

  /** A page to write; undefined when there is none. */
  take(): number | undefined {
    const page = this.free.pop() ?? this.evict();
    if (page !== undefined) this.holders[page] = 1;
    return page;
  }

  private evict(): number | undefined {
    const [page] = this.unused;
    if (page === undefined) return undefined;
    this.unused.delete(page);
    this.forget(page);
    return page;
  }

  /** One holder less for each page. */
  give(pages: readonly number[]): void {
    for (let i = pages.length - 1; i >= 0; i--) {
      const page = pages[i]!;
      if (--this.holders[page]! > 0) continue;
      if (this.registered[page]) this.unused.add(page);
      else this.free.push(page);
    }
  }

  isShared(page: number): boolean {
    return this.holders[page]! > 1;
  }

  private static key(parent: number, tokens: readonly number[]): string {
    return `${parent} ${tokens.join(' ')}`;
  }

  /** Makes a full page findable; returns its node, or that of a page with the same tokens. */
  register(page: number, parent: number, tokens: readonly number[]): number {
    const key = PagePool.key(parent, tokens);
    const same = this.byKey.get(key);
    if (same !== undefined) return this.registered[same]!.node;
    const node = ++this.nodes;
    this.registered[page] = { key, node };
    this.byKey.set(key, page);
    return node;
  }

  /** The page will be written again: it is no longer what it was registered as. */
  forget(page: number): void {
    const entry = this.registered[page];
    if (!entry) return;
    this.byKey.delete(entry.key);
    this.registered[page] = undefined;
  }

  /** A registered page with these tokens behind `parent`, held once more; undefined when there is none. */
  find(parent: number, tokens: readonly number[]): { page: number; node: number } | undefined {
    const page = this.byKey.get(PagePool.key(parent, tokens));
    if (page === undefined) return undefined;
    this.unused.delete(page);
    this.holders[page]!++;
    return { page, node: this.registered[page]!.node };
  }
}
