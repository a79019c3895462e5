/**
 * ROUTE: chooses the experts of a token (arXiv:1701.06538) and their weights, from the router's scores. A chunk is one
 * token. SORT: brings the pairs of token and expert that came out of it into the order of experts, so that each
 * expert's tokens lie side by side and its weights are read once for all of them.
 */
import { ACTIVE, BROKEN, CHOSEN, PLACES, SHARES } from '../control';
import {
  BIAS, EXPERT_GROUPS, FROM, FROM_STRIDE, GROUPS_USED, NORMALIZE, OBSERVED, SCALE, SCORE_SIGMOID, SCORING, USED, WIDTH,
} from '../record';
import { exp4 } from './math';

/** Sums of weights below that are not divided by: the smallest normal f16, as llama.cpp has it. */
const LEAST_SUM: f32 = 6.103515625e-5;

// @ts-ignore: decorator
@inline function f32At(base: usize, i: i32): f32 {
  return load<f32>(base + (<usize>i << 2));
}

/** Logits to probabilities: each on its own, or all together. `to` has room for whole vectors. */
function score(x: usize, to: usize, n: i32, sigmoid: bool): void {
  const end = <usize>n << 2;
  if (sigmoid) {
    for (let i: usize = 0; i < end; i += 16) {
      const e = exp4(f32x4.neg(v128.load(x + i)));
      v128.store(to + i, f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), e)));
    }
    return;
  }
  let largest = load<f32>(x), sum: f32 = 0;
  for (let i = 1; i < n; i++) largest = max(largest, f32At(x, i));
  for (let i: usize = 0; i < end; i += 16) v128.store(to + i, exp4(f32x4.sub(v128.load(x + i), f32x4.splat(largest))));
  for (let i = 0; i < n; i++) sum += f32At(to, i);
  for (let i: usize = 0; i < end; i += 16) v128.store(to + i, f32x4.div(v128.load(to + i), f32x4.splat(sum)));
}

/**
 * Leaves only the experts of the `used` best of `groups` groups eligible (arXiv:2405.04434). A group counts as much as
 * its best expert, or with a bias as its two best together (arXiv:2412.19437).
 */
function limitGroups(ranks: usize, n: i32, groups: i32, used: i32, pairs: bool, totals: usize): void {
  const size = n / groups;
  for (let g = 0; g < groups; g++) {
    let first: f32 = -Infinity, second: f32 = -Infinity;
    for (let i = g * size; i < (g + 1) * size; i++) {
      const rank = f32At(ranks, i);
      if (rank > first) {
        second = first;
        first = rank;
      } else if (rank > second) second = rank;
    }
    store<f32>(totals + (<usize>g << 2), pairs && size > 1 ? first + second : first);
  }
  for (let left = groups; left > used; left--) {
    // The worst goes; of equals the last one.
    let worst = -1;
    for (let g = 0; g < groups; g++) {
      const total = f32At(totals, g);
      if (total < Infinity && (worst < 0 || total <= f32At(totals, worst))) worst = g;
    }
    if (worst < 0) return;
    store<f32>(totals + (<usize>worst << 2), Infinity);
    for (let i = worst * size; i < (worst + 1) * size; i++) store<f32>(ranks + (<usize>i << 2), -Infinity);
  }
}

// @ts-ignore: decorator
@inline function isChosen(chosen: usize, slots: i32, expert: i32): bool {
  for (let slot = 0; slot < slots; slot++) if (load<i32>(chosen + (<usize>slot << 2)) == expert) return true;
  return false;
}

/** The expert of highest rank, of equals the first. NaN has no rank: the step fails, on memory of its own. */
function best(ranks: usize, n: i32, chosen: usize, slots: i32): i32 {
  let found = -1, highest: f32 = -Infinity;
  for (let i = 0; i < n; i++) {
    const rank = f32At(ranks, i);
    if (rank > highest) {
      highest = rank;
      found = i;
    }
  }
  if (found >= 0) return found;
  store<i32>(BROKEN, 1);
  found = 0;
  while (isChosen(chosen, slots, found)) found++;
  return found;
}

/** Scratch: 3 x WIDTH f32, each in whole groups of 8. */
export function routeRow(op: usize, token: i32, tokens: i32, scratch: usize): void {
  const n = load<i32>(op + WIDTH), used = load<i32>(op + USED), bias = <usize>load<u32>(op + BIAS);
  const room = <usize>((n + 7) & ~7) << 2;
  const scores = scratch, ranks = scores + room, totals = ranks + room;
  const from = <usize>load<u32>(op + FROM) + <usize>token * load<u32>(op + FROM_STRIDE);
  score(from, scores, n, load<u32>(op + SCORING) == SCORE_SIGMOID);
  memory.copy(ranks, scores, room);
  if (bias) for (let i: usize = 0; i < room; i += 16) v128.store(ranks + i, f32x4.add(v128.load(ranks + i), v128.load(bias + i)));
  const groups = load<i32>(op + EXPERT_GROUPS);
  if (groups) limitGroups(ranks, n, groups, load<i32>(op + GROUPS_USED), bias != 0, totals);

  const first = <usize>(token * used) << 2;
  const chosen = <usize>load<u32>(CHOSEN) + first, shares = <usize>load<u32>(SHARES) + first;
  let sum: f32 = 0;
  for (let slot = 0; slot < used; slot++) {
    const expert = best(ranks, n, chosen, slot), at = <usize>slot << 2;
    store<f32>(ranks + (<usize>expert << 2), -Infinity);
    store<i32>(chosen + at, expert);
    store<f32>(shares + at, f32At(scores, expert));
    sum += f32At(scores, expert);
  }
  let factor = load<f32>(op + SCALE);
  if (load<u32>(op + NORMALIZE)) factor /= max(sum, LEAST_SUM);
  for (let slot = 0; slot < used; slot++) {
    const at = shares + (<usize>slot << 2);
    store<f32>(at, load<f32>(at) * factor);
  }
  if (tokens == 1) sortPairs(op, 1, scratch);
}

/** Experts by the number of their pairs, so that the longest work begins first. Scratch: WIDTH i32. */
export function sortPairs(op: usize, tokens: i32, scratch: usize): void {
  const n = load<i32>(op + WIDTH), pairs = tokens * load<i32>(op + USED);
  const chosen = <usize>load<u32>(CHOSEN), places = <usize>load<u32>(PLACES), active = <usize>load<u32>(ACTIVE);
  const list = active + 4, observed = <usize>load<u32>(op + OBSERVED);
  memory.fill(scratch, 0, <usize>n << 2);
  for (let i: usize = 0; i < <usize>pairs; i++) {
    const counter = scratch + (<usize>load<i32>(chosen + (i << 2)) << 2);
    store<i32>(counter, load<i32>(counter) + 1);
  }
  let count = 0;
  for (let expert = 0; expert < n; expert++) {
    const rows = load<i32>(scratch + (<usize>expert << 2));
    if (rows == 0) continue;
    let at = list + <usize>count * 12;
    for (; at > list && load<i32>(at - 12, 8) < rows; at -= 12) memory.copy(at, at - 12, 12);
    store<i32>(at, expert);
    store<i32>(at, rows, 8);
    count++;
  }
  store<i32>(active, count);
  let place = 0;
  for (let i = 0, at = list; i < count; i++, at += 12) {
    // The counters become cursors.
    store<i32>(scratch + (<usize>load<i32>(at) << 2), place);
    store<i32>(at, place, 4);
    place += load<i32>(at, 8);
  }
  for (let i: usize = 0; i < <usize>pairs; i++) {
    const expert = load<i32>(chosen + (i << 2)), cursor = scratch + (<usize>expert << 2);
    store<i32>(places + (i << 2), load<i32>(cursor));
    if (observed) {
      store<i32>(observed + (i << 3), expert);
      store<i32>(observed + (i << 3), load<i32>(cursor), 4);
    }
    store<i32>(cursor, load<i32>(cursor) + 1);
  }
}
