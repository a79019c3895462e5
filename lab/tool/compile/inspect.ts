/** What a kernel's module may be: `linear` and the memory it is given, nothing else. */
import { LabError } from '../errors.ts';
import { STATIC_BASE, STATIC_END } from '../runner/memory.ts';
import { compileOptimized } from '../runner/v8.ts';
import { readOutline } from './outline.ts';

/** Parameters of `linear`: see lab/00-reference/kernel.ts. */
const PARAMETERS = 10;
/** The course's kernels have at most 3 KB. V8's optimizing compiler needs long for much more, and nothing can stop it. */
const MOST_BYTES = 128 * 1024;

/**
 * The compiled module.
 *
 * @throws LabError ERR_LAB_MODULE
 */
export function inspectModule(
  wasm: Uint8Array<ArrayBuffer>,
  file: string,
  optimized: boolean,
): WebAssembly.Module {
  const fail = (what: string) => new LabError('ERR_LAB_MODULE', `${file}: ${what}`);
  if (wasm.length > MOST_BYTES) {
    throw fail(
      `the compiled kernel has ${wasm.length} bytes, more than ${MOST_BYTES}: inline and unroll less`,
    );
  }
  const { start, pages, parameters } = readOutline(wasm);
  if (pages > 1) {
    throw fail(
      `its constants (memory.data) take more than ${STATIC_END - STATIC_BASE} bytes: make them smaller`,
    );
  }
  let module: WebAssembly.Module;
  try {
    module = optimized ? compileOptimized(wasm) : new WebAssembly.Module(wasm);
  } catch (error) {
    throw fail(`the compiled kernel is not valid here: ${(error as Error).message}`);
  }
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (from === 'env' && name === 'memory' && kind === 'memory') continue;
    if (from === 'env' && name === 'abort') {
      throw fail(
        'it uses arrays, strings or `new`, which can abort: use load<T>(address) and store<T>(address, value)',
      );
    }
    throw fail(`it imports ${from}.${name}; a kernel may import nothing but its memory`);
  }
  if (start) {
    throw fail(
      'it runs code outside of functions (a global that must be computed, say): move that into linear',
    );
  }
  if (!WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory')) {
    throw fail(
      'it uses no memory at all: read weights and activations with load, write the output with store',
    );
  }
  const linear = WebAssembly.Module.exports(module).find(({ name }) => name === 'linear');
  if (linear?.kind !== 'function') throw fail('it does not export a function called linear');
  if (WebAssembly.Module.exports(module).length > 2) {
    throw fail('it exports more than linear: remove the other `export` words');
  }
  const count = parameters.get('linear');
  if (count !== PARAMETERS)
    throw fail(`linear takes ${count} parameters instead of ${PARAMETERS}: copy the line from the exercise`);
  return module;
}
