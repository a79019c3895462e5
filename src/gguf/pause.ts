/** Long loops hand the event loop back regularly: a host may be serving requests or painting. */

/** Milliseconds of uninterrupted work; well under the 20 ms that nobody may be blocked for. */
const BUDGET_MS = 5;

function nextTurn(): Promise<void> {
  // setImmediate costs nothing; setTimeout, in browsers, at least 1 to 4 ms.
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => setTimeout(resolve, 0));
}

export class Pause {
  private since = performance.now();

  /** True when the budget is used up: then await `rest()`. Costs a clock read: ask every few hundred steps. */
  get due(): boolean {
    return performance.now() - this.since > BUDGET_MS;
  }

  /** Lets everything else run once. */
  async rest(): Promise<void> {
    await nextTurn();
    this.since = performance.now();
  }
}
