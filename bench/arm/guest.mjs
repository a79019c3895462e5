// @ts-check
/** What the emulated programs share: one compiler from the first call, and marks for the counting plugin. */
import { readFileSync, writeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { NOTHING, REPEATS, STEPS } from './plan.mjs';

/** The optimizing compiler alone: counts do not depend on when it would have been done. */
export function setCompiler() {
  const major = Number.parseInt(process.versions.node);
  if (major < 22) setFlagsFromString('--experimental-wasm-relaxed-simd');
  setFlagsFromString('--no-liftoff');
  // Inlining goes by what the baseline compiler's code has counted.
  if (major < 24) return;
  setFlagsFromString('--no-wasm-inlining');
  setFlagsFromString('--no-wasm-inlining-call-indirect');
}

/** @param {string} variant */
export function compileKernels(variant) {
  const bytes = readFileSync(new URL(`../../dist/kernels/${variant}.wasm`, import.meta.url));
  return new WebAssembly.Module(bytes);
}

/** One write: the plugin answers with what was executed since the one before. @param {string} tag */
function mark(tag) {
  writeSync(2, `@@icount ${tag}\n`);
}

/** Counts `STEPS` steps under a tag without spaces, and what a mark costs. @param {string} tag @param {() => void} step */
export function count(tag, step) {
  for (let i = 0; i < REPEATS; i++) {
    mark('-');
    mark(NOTHING);
    for (let k = 0; k < STEPS; k++) step();
    mark(tag);
  }
}
