/**
 * The child process of the first-start race: `node race-child.js '{"kernels":"file:///...","variants":[...]}'`.
 *
 * Standard output is NDJSON, one RaceEvent per line, written synchronously: when a compiler bug kills this
 * process, the parent has all that came before, and knows whose turn it was.
 */
import { readFileSync, writeSync } from 'node:fs';
import { Contestant, fault, race, type Gmacs, type Variant } from '../../kernels/race.ts';
import { setV8Flags } from './v8-flags.ts';

export interface RaceJob {
  /** URL of the folder of the modules, with a slash at the end. */
  kernels: string;
  /** Those to compare; without `simd`, which the others are checked against, none passes. */
  variants: Variant[];
  /** Milliseconds for everything that is done here; up to four times as many where compiling is slow. */
  budget: number;
}

export type RaceEvent =
  | { event: 'turn'; variant: Variant }
  | { event: 'failed'; variant: Variant; reason: string }
  | { event: 'timed'; variant: Variant; gmacs: Gmacs }
  | { event: 'done'; milliseconds: number };

function report(event: RaceEvent): void {
  writeSync(1, `${JSON.stringify(event)}\n`);
}

function run(job: RaceJob): void {
  const start = performance.now();
  const contestants = new Map<Variant, Contestant>();
  let reference: Float32Array[] | undefined;

  /** False, and out of the race, if it throws or computes anything wrong. */
  const check = (variant: Variant, contestant: () => Contestant): boolean => {
    report({ event: 'turn', variant });
    let reason: string | undefined;
    try {
      const one = contestant();
      const outputs = one.check();
      reference ??= variant === 'simd' ? outputs : undefined;
      reason = reference ? fault(outputs, reference) : 'there is no plain variant to check it against';
      if (reason === undefined) contestants.set(variant, one);
    } catch (error) {
      reason = String(error);
    }
    if (reason === undefined) return true;
    if (variant === 'simd') reference = undefined;
    contestants.delete(variant);
    report({ event: 'failed', variant, reason });
    return false;
  };

  for (const variant of job.variants) {
    check(variant, () => {
      const bytes = readFileSync(new URL(`${variant}.wasm`, job.kernels));
      return new Contestant(new WebAssembly.Module(bytes));
    });
  }
  race(
    contestants,
    { until: start + job.budget, latest: start + 4 * job.budget },
    (variant) => report({ event: 'turn', variant }),
    (variant, gmacs) => report({ event: 'timed', variant, gmacs }),
  );
  // Once more. The first check ran code of V8's quick compiler, this one that of its optimizing compiler, and
  // each may be wrong alone: Node 20's quick one miscompiles dot4 on x64 (it overwrites the accumulator).
  for (const [variant, contestant] of [...contestants]) check(variant, () => contestant);
  report({ event: 'done', milliseconds: performance.now() - start });
}

setV8Flags();
run(JSON.parse(process.argv[2]!) as RaceJob);
