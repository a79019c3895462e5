// @ts-check
/** How fast this machine reads memory: by a loop in WebAssembly, and by a native one where there is a C compiler. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * 10^9 bytes per second.
 *
 * @typedef {object} Bandwidth
 * @property {number} threads
 * @property {number} wasm
 * @property {number | undefined} native
 */

/**
 * @param {readonly number[]} threadCounts @param {string} cache
 * @returns {Promise<{ measured: Bandwidth[], missing: string | undefined }>} `missing`: why there is no native figure
 */
export async function measureBandwidths(threadCounts, cache) {
  /** @type {typeof import('../../tools/limits/measure.ts')} */
  const { measureBandwidth } = await import(
    new URL('../../dist/tools/limits/measure.js', import.meta.url).href
  );
  const { program, missing } = compile(cache);
  /** @type {Bandwidth[]} */
  const measured = [];
  for (const threads of threadCounts) {
    const wasm = await measureBandwidth({ variant: 'simd', threads });
    const output = program && spawnSync(program, [String(threads)], { encoding: 'utf8' }).stdout;
    const native = Number.parseFloat(output ?? '');
    measured.push({ threads, wasm, native: Number.isFinite(native) ? native : undefined });
  }
  return { measured, missing };
}

/** @param {string} cache */
function compile(cache) {
  mkdirSync(cache, { recursive: true });
  const program = join(cache, 'native-read');
  const source = fileURLToPath(new URL('native-read.c', import.meta.url));
  const { status, error, stderr } = spawnSync(
    'cc',
    ['-O3', '-march=native', '-pthread', source, '-o', program],
    { encoding: 'utf8' },
  );
  if (status === 0) return { program };
  return { missing: error ? 'there is no C compiler (cc)' : `cc failed: ${stderr.trim().split('\n')[0]}` };
}
