/**
 * Merging neighbours until no pair is left, best pair first: the heart of both BPE (pairs ranked by the list of
 * merges) and SPM (pairs ranked by the score of the token they make).
 *
 * Symbols form a linked list inside typed arrays, candidate pairs a binary heap: n symbols take O(n log n), so a
 * 100 KB line without spaces is no threat. A heap entry is not removed when one of its symbols is merged
 * elsewhere; it is recognised as stale when it surfaces, because the pair now noted at its left symbol differs.
 */
export interface PairSource {
  /** The token made of two neighbouring symbols (indexes into the merger's arrays), or -1. */
  find(left: number, right: number): number;
  /** Set by `find` with its result: lower goes first. */
  priority: number;
}

const NONE = -1;
/** Scratch space above this many symbols is given back after use. */
const KEEP = 1 << 16;

export class Merger {
  /** Token of each symbol, or -1 if it is not in the vocabulary. */
  ids = new Int32Array(64);
  /** Where each symbol ends, in units that only the pair source knows; starts are the caller's too. */
  starts = new Int32Array(64);
  ends = new Int32Array(64);
  /** The following symbol, or -1. Symbol 0 always stays the first. */
  next = new Int32Array(64);
  /** Pairs looked up since the beginning: a measure of work for tests. */
  lookups = 0;
  #previous = new Int32Array(64);
  /** The token that the pair starting at a symbol would make, or -1, and its priority. */
  #made = new Int32Array(64);
  #priority = new Float64Array(64);
  #heapPriority = new Float64Array(128);
  #heapLeft = new Int32Array(128);
  #heapSize = 0;

  /** Makes room for `count` symbols; contents are lost. */
  reserve(count: number): void {
    if (count <= this.ids.length && (this.ids.length <= KEEP || count > KEEP)) return;
    let size = 64;
    while (size < count) size *= 2;
    this.ids = new Int32Array(size);
    this.starts = new Int32Array(size);
    this.ends = new Int32Array(size);
    this.next = new Int32Array(size);
    this.#previous = new Int32Array(size);
    this.#made = new Int32Array(size);
    this.#priority = new Float64Array(size);
    this.#heapPriority = new Float64Array(2 * size);
    this.#heapLeft = new Int32Array(2 * size);
  }

  /** Merges the first `count` symbols; then follow `next` from 0. */
  merge(count: number, pairs: PairSource): void {
    const { ids, ends, next } = this;
    const previous = this.#previous;
    for (let i = 0; i < count; i++) {
      next[i] = i + 1 < count ? i + 1 : NONE;
      previous[i] = i - 1;
    }
    this.#heapSize = 0;
    for (let i = 0; i < count; i++) this.#consider(i, pairs);
    while (this.#heapSize > 0) {
      const priority = this.#heapPriority[0]!;
      const left = this.#heapLeft[0]!;
      this.#pop();
      const made = this.#made[left]!;
      if (made === NONE || this.#priority[left] !== priority) continue;
      const right = next[left]!;
      const after = next[right]!;
      ids[left] = made;
      ends[left] = ends[right]!;
      next[left] = after;
      this.#made[right] = NONE;
      if (after !== NONE) previous[after] = left;
      if (previous[left]! >= 0) this.#consider(previous[left]!, pairs);
      this.#consider(left, pairs);
    }
  }

  /** Notes the pair that starts at `left`, if it makes a token. */
  #consider(left: number, pairs: PairSource): void {
    const right = this.next[left]!;
    this.#made[left] = NONE;
    if (right === NONE) return;
    this.lookups++;
    const made = pairs.find(left, right);
    if (made < 0) return;
    this.#made[left] = made;
    this.#priority[left] = pairs.priority;
    this.#push(pairs.priority, left);
  }

  // A binary heap in two arrays; equal priorities: the leftmost pair first.

  #push(priority: number, left: number): void {
    if (this.#heapSize === this.#heapLeft.length) this.#growHeap();
    const priorities = this.#heapPriority;
    const lefts = this.#heapLeft;
    let at = this.#heapSize++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(priority, left, priorities[parent]!, lefts[parent]!)) break;
      priorities[at] = priorities[parent]!;
      lefts[at] = lefts[parent]!;
      at = parent;
    }
    priorities[at] = priority;
    lefts[at] = left;
  }

  #pop(): void {
    const priorities = this.#heapPriority;
    const lefts = this.#heapLeft;
    const size = --this.#heapSize;
    const priority = priorities[size]!;
    const left = lefts[size]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (
        child + 1 < size &&
        isBefore(priorities[child + 1]!, lefts[child + 1]!, priorities[child]!, lefts[child]!)
      ) {
        child++;
      }
      if (!isBefore(priorities[child]!, lefts[child]!, priority, left)) break;
      priorities[at] = priorities[child]!;
      lefts[at] = lefts[child]!;
      at = child;
    }
    priorities[at] = priority;
    lefts[at] = left;
  }

  #growHeap(): void {
    const priorities = new Float64Array(2 * this.#heapSize);
    const lefts = new Int32Array(2 * this.#heapSize);
    priorities.set(this.#heapPriority);
    lefts.set(this.#heapLeft);
    this.#heapPriority = priorities;
    this.#heapLeft = lefts;
  }
}

function isBefore(priorityA: number, leftA: number, priorityB: number, leftB: number): boolean {
  return priorityA < priorityB || (priorityA === priorityB && leftA < leftB);
}
