// Calls one exported function of a WebAssembly module; kernel.py traces this program.
// usage: node run-kernel.mjs FILE.wasm FUNCTION [NUMBER...]
//   PAGES=1024      size of the imported memory, in pages of 64 KiB
//   INIT=FILE.mjs   its default export (exports, memory) fills the inputs before the call
// Compiles synchronously on purpose: WebAssembly.instantiate with --no-liftoff never settles on Node 24.
import fs from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [file, name, ...numbers] = process.argv.slice(2);
const module = new WebAssembly.Module(fs.readFileSync(file));
const initial = Number(process.env.PAGES ?? 1024);

/** Every import as a stand-in: functions do nothing, globals are 0. */
function standIns(shared) {
  const make = {
    memory: () => new WebAssembly.Memory({ initial, maximum: 65536, shared }),
    table: () => new WebAssembly.Table({ initial: 1024, element: 'anyfunc' }),
    global: () => new WebAssembly.Global({ value: 'i32' }, 0),
    function: () => () => 0,
  };
  const imports = {};
  for (const wanted of WebAssembly.Module.imports(module)) {
    (imports[wanted.module] ??= {})[wanted.name] = make[wanted.kind]();
  }
  return imports;
}

/** A module does not tell whether its memory is a shared one: try. */
function instantiate() {
  for (const shared of [true, false]) {
    const imports = standIns(shared);
    const memory = Object.values(imports)
      .flatMap((group) => Object.values(group))
      .find((value) => value instanceof WebAssembly.Memory);
    try {
      const { exports } = new WebAssembly.Instance(module, imports);
      return { exports, memory: memory ?? exports.memory };
    } catch (error) {
      if (!shared) throw error;
    }
  }
}

const { exports, memory } = instantiate();
if (process.env.INIT) {
  const init = await import(pathToFileURL(resolve(process.env.INIT)).href);
  await init.default(exports, memory);
}
const result = exports[name](...numbers.map(Number));

// An exported function's own name is its index in the module: how V8's listing calls it.
const indices = Object.entries(exports).filter(([, value]) => typeof value === 'function');
console.log(`EXPORTS ${indices.map(([key, value]) => `${key}=${value.name}`).join(' ')}`);
console.log(`RESULT ${process.version} ${process.arch} ${name} -> ${result}`);
