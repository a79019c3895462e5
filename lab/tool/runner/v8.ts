import { setFlagsFromString } from 'node:v8';

/** What makes V8 compile a module at once and with its optimizing compiler, and the setting to go back to. */
const FLAGS: readonly [set: string, back: string][] = [
  ['--no-liftoff', '--liftoff'],
  ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
];

/**
 * Inlining goes by what the baseline compiler's code has counted; Node 24 and 26 die where there is none. It stays off:
 * a module that was compiled without the baseline compiler may be optimized again later.
 */
const NEVER = ['--no-wasm-inlining', '--no-wasm-inlining-call-indirect'];

/**
 * Compiles a kernel with V8's optimizing compiler. Otherwise its first calls, long ones too, would run the baseline
 * compiler's code to their end, and ratios would compare compilers (and on x64 Node 20's gets the relaxed dot product
 * with addition wrong). Threads that get the module share its code. Synchronous: without the baseline compiler the
 * asynchronous way never settles on Node 24.
 */
export function compileOptimized(wasm: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  if (Number.parseInt(process.versions.node) >= 24) NEVER.forEach((flag) => setFlagsFromString(flag));
  for (const [set] of FLAGS) setFlagsFromString(set);
  try {
    return new WebAssembly.Module(wasm);
  } finally {
    for (const [, back] of FLAGS) setFlagsFromString(back);
  }
}
