/**
 * Runs on an emulated processor: what each worker of a kernel executes. One thread does the work of all, so that counts
 * repeat. Argument: a JSON DivisionRequest.
 */
import { readFileSync } from 'node:fs';
import { count, setCompiler } from '../../../tools/arm/guest.ts';
import { createMemory } from '../runner/memory.ts';
import type { DivisionRequest } from './division.ts';

/** The least of so many counts. */
const REPEATS = 2;

setCompiler();
const { wasm, calls } = JSON.parse(process.argv[2]!) as DivisionRequest;
const module = new WebAssembly.Module(readFileSync(wasm));
const memory = createMemory(Math.max(...calls.map(({ bytes }) => bytes)));
const linear = new WebAssembly.Instance(module, { env: { memory } }).exports['linear'] as (
  ...numbers: number[]
) => void;
const words = new Int32Array(memory.buffer);

for (const { workers, worker, numbers, counter } of calls) {
  const run = (chunk: number) => {
    words[counter >> 2] = chunk;
    linear(...numbers);
  };
  // The first call pays for compiling, and says how many chunks there are: the last taking finds none.
  run(0);
  const chunks = words[counter >> 2]! - 1;
  if (chunks < 0) count(`${workers}:${worker}`, () => run(0), REPEATS);
  else if (worker === 0) {
    for (let k = 0; k <= chunks; k++) count(`${workers}:from:${k}`, () => run(k), REPEATS);
  }
}
