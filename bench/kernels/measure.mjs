// @ts-check
/** Times steps of a matrix product: contestants take turns, so that a machine that slows down slows all of them. */
import Benchmark from 'benchmark';

/** Contestants alternate so often. */
const ROUNDS = 3;
/** No step was faster than before for so long: V8 has compiled what it will, and clocks have risen. */
const SETTLED_MS = 40;
const WARM_UP_LIMIT_MS = 3000;

/**
 * @param {readonly { step(): void }[]} contestants
 * @param {{ samples: number, sampleMs: number }} options at least so many samples, each of so many milliseconds
 * @returns {number[][]} seconds per step, a list for each contestant
 */
export function timeSteps(contestants, { samples, sampleMs }) {
  for (const contestant of contestants) warmUp(contestant);
  /** @type {number[][]} */
  const times = contestants.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, contestant] of contestants.entries()) {
      times[i]?.push(...sample(contestant, Math.ceil(samples / ROUNDS), sampleMs / 1000));
    }
  }
  return times;
}

/** @param {{ step(): void }} contestant */
function warmUp(contestant) {
  const start = performance.now();
  let best = Infinity;
  let improved = start;
  for (let now = start; now - improved < SETTLED_MS && now - start < WARM_UP_LIMIT_MS;) {
    contestant.step();
    const end = performance.now();
    if (end - now < best * 0.97) [best, improved] = [end - now, end];
    now = end;
  }
}

/** @param {{ step(): void }} contestant @param {number} minSamples @param {number} minTime */
function sample(contestant, minSamples, minTime) {
  const benchmark = new Benchmark(() => contestant.step(), { minSamples, minTime, maxTime: 0 });
  benchmark.run();
  // Its declaration leaves out that a failed run has this.
  const { error } = /** @type {{ error?: Error }} */ (/** @type {unknown} */ (benchmark));
  if (error) throw error;
  return benchmark.stats.sample;
}
