// @ts-check
/** Makes a worker slower than its peers, as a little or a throttled core is, and counts what it does. */

/**
 * Puts slower kernels in the place of a module's own: each call takes `1 + slow` times as long.
 *
 * @param {import('../src/kernels/exports.ts').KernelExports} kernels of this thread
 * @param {readonly number[]} indices of kernels in their function table
 * @param {number} slow
 * @param {Int32Array} calls counts calls in its first word
 */
export function slowDown({ table }, indices, slow, calls) {
  for (const index of new Set(indices)) {
    const kernel = table.get(index);
    /** @param {number[]} args */
    const slower = (...args) => {
      const start = performance.now();
      kernel(...args);
      const end = performance.now();
      while (performance.now() < end + slow * (end - start));
      Atomics.add(calls, 0, 1);
    };
    table.set(index, asKernel(slower, kernel.length));
  }
}

const I32 = 0x7f;

/**
 * A table holds WebAssembly's own functions only: a module that imports a function of so many i32 and exports it.
 *
 * @param {(...args: number[]) => void} callback @param {number} parameters
 */
function asKernel(callback, parameters) {
  const types = [1, 0x60, parameters, ...Array.from({ length: parameters }, () => I32), 0];
  const section = (/** @type {number} */ id, /** @type {number[]} */ bytes) => [id, bytes.length, ...bytes];
  const name = [1, 0x66]; // "f"
  const module = new WebAssembly.Module(
    Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, types),
      ...section(2, [1, ...name, ...name, 0, 0]), // import f.f, of type 0
      ...section(7, [1, ...name, 0, 0]), // export it
    ]),
  );
  return new WebAssembly.Instance(module, { f: { f: callback } }).exports['f'];
}
