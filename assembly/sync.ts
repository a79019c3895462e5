/**
 * How workers share a step. All walk the same program; an op is cut into chunks that are taken from a
 * counter, so a slow core takes fewer; a barrier waits until all chunks of the ops before it are done, not
 * until all workers have arrived, so a descheduled worker that holds no chunk delays nobody.
 *
 * Counters carry the number of their step in the upper half. A worker that fell asleep in an old step finds
 * another number there, takes nothing and leaves.
 */
import { DONE, EPOCH, POISON, PROGRAM, PROGRESS, SLEEPERS, STOP, TICKETS } from './control';
import { COUNTER, OPCODE, OP_LINEAR, RECORD_BYTES } from './record';

/** Looks at memory this often before going to sleep: some tens of microseconds. */
const SPINS = 4000;
/** A sleeper looks again after this long even unwoken, in nanoseconds. */
const NAP: i64 = 20_000_000;

/** No chunk left. */
export const NONE = -1;
/** The step is over or the pool is broken: leave. */
export const STALE = -2;

// @ts-ignore: decorator
@inline function ticket(op: i32): usize {
  return <usize>load<u32>(TICKETS) + (<usize>op << 4);
}

/**
 * Clears the counters of all ops for step `epoch`; called by one thread before it writes the step's inputs, let alone
 * publishes it: from here on a worker that is still on its way through the step before takes nothing, whatever
 * counts it reads.
 */
export function begin(epoch: i32, ops: i32): void {
  const value = <i64>epoch << 32;
  for (let op = 0; op < ops; op++) {
    atomic.store<i64>(ticket(op), value);
    atomic.store<i64>(ticket(op) + 8, value);
    const record = <usize>load<u32>(PROGRAM) + <usize>op * RECORD_BYTES;
    if (load<u32>(record + OPCODE) == OP_LINEAR) atomic.store<i32>(record + COUNTER, 0);
  }
}

/** The next chunk of an op that has `chunks`, or NONE, or STALE. */
export function take(op: i32, epoch: i32, chunks: i32): i32 {
  const at = ticket(op);
  let seen = atomic.load<i64>(at);
  while (true) {
    if (<i32>(seen >> 32) != epoch) return STALE;
    if (<i32>seen >= chunks) return NONE;
    const before = atomic.cmpxchg<i64>(at, seen, seen + 1);
    if (before == seen) return <i32>seen;
    seen = before;
  }
}

/** One chunk of the group of ops that counts on `op`'s record is done. */
export function finish(op: i32): void {
  atomic.add<i64>(ticket(op) + 8, 1);
  if (atomic.load<i32>(SLEEPERS) != 0) wake();
}

function wake(): void {
  atomic.add<i32>(PROGRESS, 1);
  atomic.notify(PROGRESS, -1);
}

/** Waits until `chunks` chunks are done on `op`'s record. False: the step is over or the pool is broken. */
export function wait(op: i32, epoch: i32, chunks: i32): bool {
  const at = ticket(op) + 8;
  const goal = (<i64>epoch << 32) + chunks;
  let spin = 0;
  while (true) {
    const seen = atomic.load<i64>(at);
    if (seen == goal) return true;
    if (<i32>(seen >> 32) != epoch) return false;
    if (spin++ < SPINS) continue;
    if (atomic.load<i32>(POISON) != 0) return false;
    atomic.add<i32>(SLEEPERS, 1);
    const progress = atomic.load<i32>(PROGRESS);
    if (atomic.load<i64>(at) == seen) atomic.wait<i32>(PROGRESS, progress, NAP);
    atomic.sub<i32>(SLEEPERS, 1);
    spin = SPINS - 100;
  }
}

/** The number of the next step after `last`, waited for; 0 when the pool stops. */
export function awaitStep(last: i32): i32 {
  let spin = 0;
  while (true) {
    const epoch = atomic.load<i32>(EPOCH);
    if ((atomic.load<i32>(STOP) | atomic.load<i32>(POISON)) != 0) return 0;
    if (epoch != last) return epoch;
    if (spin++ > SPINS) atomic.wait<i32>(EPOCH, last, NAP * 50);
  }
}

/**
 * Tells the thread that waits for the step that it is over. Steps end in order: a worker that comes late, when the
 * next one has ended already, changes nothing.
 */
export function endStep(epoch: i32): void {
  if (atomic.cmpxchg<i32>(DONE, epoch - 1, epoch) == epoch - 1) atomic.notify(DONE, -1);
}
