/** For programs that run on an emulated processor: one compiler from the first call, and marks for the counting plugin. */
import { writeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

/** Tag of an interval in which nothing is done: what a mark itself costs. */
export const NOTHING = 'nothing';

/** The optimizing compiler alone: counts do not depend on when it would have been done. */
export function setCompiler(): void {
  const major = Number.parseInt(process.versions.node);
  if (major < 22) setFlagsFromString('--experimental-wasm-relaxed-simd');
  setFlagsFromString('--no-liftoff');
  // Inlining goes by what the baseline compiler's code has counted.
  if (major < 24) return;
  setFlagsFromString('--no-wasm-inlining');
  setFlagsFromString('--no-wasm-inlining-call-indirect');
}

/** Begins an interval without a name. */
export function begin(): void {
  mark('-');
}

/** One write: the plugin answers with what was executed since the one before. `tag`: without spaces. */
export function mark(tag: string): void {
  writeSync(2, `@@icount ${tag}\n`);
}

/** Counts what `work` does, and what a mark costs, `repeats` times: the least counts. */
export function count(tag: string, work: () => void, repeats: number): void {
  for (let i = 0; i < repeats; i++) {
    begin();
    mark(NOTHING);
    work();
    mark(tag);
  }
}
