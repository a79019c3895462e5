/**
 * Sharing work out. Every worker calls `linear` with the same addresses and its own number; nothing but memory
 * connects them. Two ways to divide the rows:
 *
 *   static     worker w takes rows  first(w) .. first(w + 1)          no communication, but the slowest decides
 *   dynamic    each worker takes the next chunk until there is none   one atomic addition per chunk
 */

/** The first unit of worker `worker`'s share when `units` are divided as evenly as they can be. */
// @ts-ignore: decorator
@inline export function first(units: i32, worker: i32, workers: i32): i32 {
  return <i32>(<i64>units * worker / workers);
}

/**
 * The number of the next chunk that nobody has taken: 0, 1, 2, ... `counter` is a 32-bit word in shared memory that
 * is 0 at the start of every call of the kernel. The addition is atomic: two workers never get the same number.
 */
// @ts-ignore: decorator
@inline export function nextChunk(counter: usize): i32 {
  return atomic.add<i32>(counter, 1);
}
