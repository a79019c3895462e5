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
