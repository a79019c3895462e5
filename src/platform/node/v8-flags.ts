/** V8 flags: process-wide, so set once, on the main thread, before the first module is compiled. */
import { setFlagsFromString } from 'node:v8';
import { hasRelaxedSimd } from '../../kernels/features.ts';

/**
 * Makes relaxed SIMD available where it is behind a flag (Node 20); workers started later have it too. Returns
 * whether it is there. Elsewhere nothing is set: V8 prints a complaint about flags that it does not know.
 */
export function setV8Flags(): boolean {
  if (hasRelaxedSimd()) return true;
  const major = Number(process.versions.node?.split('.')[0]);
  if (process.versions.v8 === undefined || !(major === 20 || major === 21)) return false;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return hasRelaxedSimd();
}

/** Lets V8 join neighbouring 128-bit operations to 256 bits, where the CPU has AVX2. */
export const REVECTORIZE = '--experimental-wasm-revectorize';

/** Whether this V8 knows the flag and it does something: Node 24 and later on x64 (22 has it without effect). */
export function knowsRevectorize(): boolean {
  const major = Number(process.versions.node?.split('.')[0]);
  return process.versions.v8 !== undefined && process.arch === 'x64' && major >= 24 && major <= 26;
}

/** Only after a race with the flag was run to its end and won: it is experimental. */
export function setRevectorize(): void {
  setFlagsFromString(REVECTORIZE);
}
