/** How work falls to workers, where instructions can be counted and threads not be timed. */

/** Chunks in order, each to the worker that is free first: what a counter does. Returns each worker's sum. */
export function shareOut(chunks: readonly number[], workers: number): number[] {
  const busy = Array.from({ length: workers }, () => 0);
  for (const chunk of chunks) {
    const first = busy.indexOf(Math.min(...busy));
    busy[first] = busy[first]! + chunk;
  }
  return busy;
}

/** The busiest worker's work / the mean. */
export function imbalance(perWorker: readonly number[]): number {
  const all = perWorker.reduce((sum, each) => sum + each, 0);
  return (Math.max(...perWorker) * perWorker.length) / all;
}
