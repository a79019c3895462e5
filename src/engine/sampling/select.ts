/** Selection without sorting the vocabulary: the k best, and the fewest candidates that reach a mass. */
import { PEAK_SPAN } from '../../kernels/record.ts';
import type { OutputRow } from '../output-row.ts';
import type { Candidates } from './candidates.ts';
import { checkFinite } from './finite.ts';

/** a is worse than b: smaller logit, or, between equals, the later token id. */
function worse(c: Candidates, a: number, b: number): boolean {
  const x = c.logits[a]!;
  const y = c.logits[b]!;
  return x < y || (x === y && c.ids[a]! > c.ids[b]!);
}

/** Restores the heap (worst candidate at the root) of [0, size) from `at` downwards. */
function siftWorst(c: Candidates, at: number, size: number): void {
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) return;
    if (child + 1 < size && worse(c, child + 1, child)) child++;
    if (!worse(c, child, at)) return;
    swap(c, at, child);
    at = child;
  }
}

/** Weights and keys stay behind: they are made anew for the few that are kept. */
function swap({ ids, logits }: Candidates, i: number, j: number): void {
  const id = ids[i]!;
  const logit = logits[i]!;
  ids[i] = ids[j]!;
  logits[i] = logits[j]!;
  ids[j] = id;
  logits[j] = logit;
}

/** Takes a token into the heap, in the place of its worst, where it is better. */
function offer(c: Candidates, k: number, id: number, logit: number): void {
  const bar = c.logits[0]!;
  if (!(logit > bar || (logit === bar && id < c.ids[0]!))) return;
  c.logits[0] = logit;
  c.ids[0] = id;
  siftWorst(c, 0, k);
}

/**
 * Makes the first k entries, of any order, a heap of the k best, its worst at the root, of these and of `logits` from
 * index `from` on. `ids` are those of `logits`; without it, token i is at index i. Nearly every logit is refused by one
 * comparison with that root, four by one branch, and only about k ln(n/k) of n in random order enter the heap.
 *
 * @returns 0, or NaN where one of them is NaN or infinite
 */
function heapOfBest(
  c: Candidates,
  k: number,
  logits: Float32Array,
  from: number,
  n: number,
  ids?: Int32Array,
): number {
  for (let i = (k >> 1) - 1; i >= 0; i--) siftWorst(c, i, k);
  let bar = c.logits[0]!;
  let nothing = 0;
  let i = from;
  for (; i + 3 < n; i += 4) {
    const x = logits[i]!;
    const y = logits[i + 1]!;
    const z = logits[i + 2]!;
    const w = logits[i + 3]!;
    nothing += (x + y + z + w) * 0;
    if (x < bar && y < bar && z < bar && w < bar) continue;
    for (let at = i; at < i + 4; at++) offer(c, k, ids ? ids[at]! : at, logits[at]!);
    bar = c.logits[0]!;
  }
  for (; i < n; i++) {
    nothing += logits[i]! * 0;
    offer(c, k, ids ? ids[i]! : i, logits[i]!);
  }
  return nothing;
}

/** Keeps the k largest logits, sorted downwards. */
export function keepTopK(c: Candidates, k: number): void {
  if (k < c.size) keepSorted(c, k);
}

/** The same, sorted even where there are k. */
function keepSorted(c: Candidates, k: number): void {
  heapOfBest(c, k, c.logits, k, c.size, c.ids);
  // Taking the worst out again and again fills the range from its end: sorted downwards.
  for (let end = k - 1; end > 0; end--) {
    swap(c, 0, end);
    siftWorst(c, 0, end);
  }
  c.size = k;
  c.dense = false;
}

/**
 * Starts with the tokens in `also` behind the k largest of the other logits, sorted downwards: the rest is not even
 * copied, and by way of peaks most of it not read. That these are there makes no other difference.
 *
 * @throws ModelError on NaN or infinite logits
 * @param also token ids, repeated or not, with k fewer than there are logits; those outside the vocabulary are ignored
 */
export function loadLargest(
  c: Candidates,
  { values, peaks }: OutputRow,
  k: number,
  also: readonly number[],
): Candidates {
  // The k best of the others are among so many.
  const wanted = k + also.length;
  const found = peaks !== undefined && loadByPeaks(c, values, peaks, wanted);
  if (!found && loadBest(c, values, wanted) !== 0) checkFinite(values);
  c.dense = false;
  const apart = new Set(also);
  if (apart.size > 0) leaveOut(c, apart);
  keepSorted(c, k);
  for (const id of apart) {
    if (id < 0 || id >= values.length) continue;
    c.logits[c.size] = values[id]!;
    c.ids[c.size++] = id;
  }
  return c;
}

/** The k largest of `values`, in no order; returns 0, or NaN where one of all is NaN or infinite. */
function loadBest(c: Candidates, values: Float32Array, k: number): number {
  let nothing = 0;
  for (let i = 0; i < k; i++) {
    c.ids[i] = i;
    c.logits[i] = values[i]!;
    nothing += values[i]! * 0;
  }
  c.size = k;
  return nothing + heapOfBest(c, k, values, k, values.length);
}

/**
 * Loads the k largest logits, and few others, in the order of tokens: those that reach the smallest of the k largest
 * peaks, each of which is a logit no less than any elsewhere. One more peak is taken, as the last one may be no logit's.
 *
 * @returns false where all logits must be looked at: there are too few peaks, or one is NaN
 */
function loadByPeaks(c: Candidates, logits: Float32Array, peaks: Float32Array, k: number): boolean {
  if (k + 1 >= peaks.length || loadBest(c, peaks, k + 1) !== 0) return false;
  const bar = c.logits[0]!;
  const spans = c.ids.slice(0, k + 1).sort();
  c.size = 0;
  for (const span of spans) {
    const end = Math.min(logits.length, (span + 1) * PEAK_SPAN);
    for (let id = span * PEAK_SPAN; id < end; id++) {
      if (logits[id]! < bar) continue;
      c.ids[c.size] = id;
      c.logits[c.size++] = logits[id]!;
    }
  }
  return true;
}

function leaveOut(c: Candidates, apart: ReadonlySet<number>): void {
  let kept = 0;
  for (let i = 0; i < c.size; i++) {
    if (apart.has(c.ids[i]!)) continue;
    c.ids[kept] = c.ids[i]!;
    c.logits[kept++] = c.logits[i]!;
  }
  c.size = kept;
}

/** a comes after b: larger key, or, between equals, the later token id. */
function after(c: Candidates, a: number, b: number): boolean {
  const x = c.keys[a]!;
  const y = c.keys[b]!;
  return x > y || (x === y && c.ids[a]! > c.ids[b]!);
}

function siftLast(c: Candidates, lo: number, at: number, size: number): void {
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) return;
    if (child + 1 < size && after(c, lo + child + 1, lo + child)) child++;
    if (!after(c, lo + child, lo + at)) return;
    c.swap(lo + at, lo + child);
    at = child;
  }
}

const INSERTION_LIMIT = 64;

/** Sorts [lo, hi) by key upwards. Insertion for few: after top-k they are mostly in order already. */
function sortByKey(c: Candidates, lo: number, hi: number): void {
  if (hi - lo <= INSERTION_LIMIT) {
    for (let i = lo + 1; i < hi; i++) {
      for (let j = i; j > lo && after(c, j - 1, j); j--) c.swap(j - 1, j);
    }
    return;
  }
  const size = hi - lo;
  for (let i = (size >> 1) - 1; i >= 0; i--) siftLast(c, lo, i, size);
  for (let end = size - 1; end > 0; end--) {
    c.swap(lo, lo + end);
    siftLast(c, lo, 0, end);
  }
}

const SORT_LIMIT = 256;
const BUCKETS = 1024;
/** Keys are differences of logits or of log probabilities: what lies further out has no mass worth a bucket. */
const KEY_RANGE = 32;
/** Each round looks 1024 times closer; keys that are still together then are as good as equal. */
const ROUNDS = 3;
const bucketMass = new Float64Array(BUCKETS);
const bucketCount = new Int32Array(BUCKETS);

/** What is kept for sure: the first `count` candidates, of weight `mass` together. */
interface Sure {
  count: number;
  mass: number;
}

/**
 * One histogram over the keys of the candidates that are not yet kept for sure: finds the bucket in which the
 * border lies, moves the buckets before it to the front, drops those after it.
 * @param origin key at which the first bucket begins; `width` covers all buckets
 * @returns index of the border's bucket
 */
function narrow(
  c: Candidates,
  sure: Sure,
  mass: number,
  minKeep: number,
  origin: number,
  width: number,
): number {
  const { keys, weights } = c;
  const n = c.size;
  const scale = (BUCKETS - 1) / width;
  const bucketOf = (key: number): number => {
    const bucket = (key - origin) * scale;
    return bucket < BUCKETS - 1 ? Math.max(0, bucket | 0) : BUCKETS - 1;
  };
  bucketMass.fill(0);
  bucketCount.fill(0);
  for (let i = sure.count; i < n; i++) {
    const b = bucketOf(keys[i]!);
    bucketMass[b] = bucketMass[b]! + weights[i]!;
    bucketCount[b] = bucketCount[b]! + 1;
  }
  let border = 0;
  for (let count = sure.count; border < BUCKETS - 1; border++) {
    const sum = sure.mass + bucketMass[border]!;
    count += bucketCount[border]!;
    if (sum > mass && count >= minKeep) break;
    sure.mass = sum;
  }
  let kept = sure.count;
  for (let i = sure.count; i < n; i++) {
    const b = bucketOf(keys[i]!);
    if (b > border) continue;
    if (kept !== i) c.move(i, kept);
    if (b < border) c.swap(kept, sure.count++);
    kept++;
  }
  c.size = kept;
  return border;
}

/**
 * Keeps the candidates of smallest `keys` until their `weights` sum to `mass`, at least `minKeep` of them.
 * Histograms over the keys close in on where the sum crosses `mass`, and only what is left there is sorted:
 * linear in the vocabulary, where sorting 150k candidates would cost tens of milliseconds.
 * @param beyond the sum must exceed `mass` (typical sampling) rather than reach it (top-p)
 */
export function keepMass(c: Candidates, mass: number, minKeep: number, beyond: boolean): void {
  const sure: Sure = { count: 0, mass: 0 };
  let origin = 0;
  let width = KEY_RANGE;
  for (let round = 0; round < ROUNDS && c.size - sure.count > SORT_LIMIT; round++) {
    const border = narrow(c, sure, mass, minKeep, origin, width);
    if (border === BUCKETS - 1) break;
    width /= BUCKETS - 1;
    origin += border * width;
  }
  c.dense = false;
  sortByKey(c, sure.count, c.size);
  let sum = sure.mass;
  for (let i = sure.count; i < c.size; i++) {
    sum += c.weights[i]!;
    if ((beyond ? sum > mass : sum >= mass) && i + 1 >= minKeep) {
      c.size = i + 1;
      return;
    }
  }
}

/** Beyond this, a heap costs more than histograms. */
const HEAP_LIMIT = 256;

/** Keeps the k largest logits in no particular order. */
export function keepLargest(c: Candidates, k: number): void {
  if (k >= c.size) return;
  if (k <= HEAP_LIMIT) {
    keepTopK(c, k);
    return;
  }
  const { keys, logits, size } = c;
  const max = logits[c.best()]!;
  for (let i = 0; i < size; i++) keys[i] = max - logits[i]!;
  // Any sum of weights exceeds -1: only the count decides.
  keepMass(c, -1, k, true);
}
