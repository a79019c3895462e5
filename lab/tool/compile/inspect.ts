/** What a kernel's module may be: `linear` and the memory it is given, nothing else. */
import { LabError } from '../errors.ts';
import { compileOptimized } from '../runner/v8.ts';

/** Parameters of `linear`: see lab/00-reference/kernel.ts. */
const PARAMETERS = 10;

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
  const count = parameterCount(module);
  if (count !== PARAMETERS)
    throw fail(`linear takes ${count} parameters instead of ${PARAMETERS}: copy the line from the exercise`);
  return module;
}

/** Parameters of the exported function `linear`, by instantiating the module on a memory of its own. */
function parameterCount(module: WebAssembly.Module): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return (exports.linear as (...numbers: number[]) => void).length;
}
