// @ts-check
/** What the emulated programs share. */
import { readFileSync } from 'node:fs';
import { REPEATS, STEPS } from './plan.mjs';

/** @type {typeof import('../../tools/arm/guest.ts')} */
const guest = await import(new URL('../../dist/tools/arm/guest.js', import.meta.url).href);
export const { begin, mark, setCompiler } = guest;

/** @param {string} variant */
export function compileKernels(variant) {
  const bytes = readFileSync(new URL(`../../dist/kernels/${variant}.wasm`, import.meta.url));
  return new WebAssembly.Module(bytes);
}

/** Counts `STEPS` steps under a tag without spaces. @param {string} tag @param {() => void} step */
export function count(tag, step) {
  const steps = () => {
    for (let k = 0; k < STEPS; k++) step();
  };
  guest.count(tag, steps, REPEATS);
}
