/**
 * Long work as a generator that yields every few thousand steps: run at once, or in slices that let the caller's
 * event loop breathe, in any JavaScript host.
 */
export type Sliced<T> = Generator<undefined, T, undefined>;

/** Steps between two yields: well below a millisecond of work each. */
export const STEPS_PER_YIELD = 512;

const SLICE_MS = 4;

/** Runs to the end without a pause. */
export function runAtOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Runs for a few milliseconds at a time. */
export async function runInSlices<T>(work: Sliced<T>): Promise<T> {
  for (;;) {
    const end = performance.now() + SLICE_MS;
    do {
      const step = work.next();
      if (step.done) return step.value;
    } while (performance.now() < end);
    await nextTurn();
  }
}

function nextTurn(): Promise<void> {
  // In browsers, which lack setImmediate, a timer costs a few milliseconds more.
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => setTimeout(resolve, 0));
}
