/**
 * What a module's binary says about itself, read without running any of it. To ask V8 for a function's parameters a
 * module must be instantiated, and that runs its start function: a loop in there would never come back.
 *
 *   \0asm version, then sections: id, size (LEB128), contents.  1 types, 2 imports, 3 functions, 7 exports, 8 start
 *   (WebAssembly core specification, binary format)
 */

export interface ModuleOutline {
  /** It runs code when it is instantiated. */
  start: boolean;
  /** Pages of 64 KiB that the imported memory must have. */
  pages: number;
  /** Parameters of exported functions, by name. */
  parameters: Map<string, number>;
}

const [TYPES, IMPORTS, FUNCTIONS, EXPORTS, START] = [1, 2, 3, 7, 8] as const;
const [FUNCTION, TABLE, MEMORY, GLOBAL] = [0, 1, 2, 3] as const;
const HAS_MAXIMUM = 1;

/** @throws RangeError for what is no module of functions, memories and the like */
export function readOutline(wasm: Uint8Array): ModuleOutline {
  const outline: ModuleOutline = { start: false, pages: 0, parameters: new Map() };
  const types: number[] = [];
  const functions: number[] = [];
  for (const { id, reader } of sections(wasm)) {
    if (id === START) outline.start = true;
    if (id === TYPES) reader.times(() => types.push(functionType(reader)));
    if (id === FUNCTIONS) reader.times(() => functions.push(reader.number()));
    if (id === IMPORTS) {
      reader.times(() => {
        reader.name();
        reader.name();
        const { kind, value } = imported(reader);
        // Functions that are imported come first in the numbering.
        if (kind === FUNCTION) functions.push(value);
        if (kind === MEMORY) outline.pages = value;
      });
    }
    if (id === EXPORTS) {
      reader.times(() => {
        const name = reader.name();
        const kind = reader.byte();
        const index = reader.number();
        if (kind === FUNCTION) outline.parameters.set(name, types[functions[index] ?? NaN] ?? NaN);
      });
    }
  }
  return outline;
}

function* sections(wasm: Uint8Array): Generator<{ id: number; reader: Reader }> {
  const all = new Reader(wasm, 8);
  while (!all.done) {
    const id = all.byte();
    yield { id, reader: all.part(all.number()) };
  }
}

/** Parameters of a function type. */
function functionType(reader: Reader): number {
  reader.byte(); // 0x60
  const parameters = reader.number();
  reader.skip(parameters);
  reader.skip(reader.number());
  return parameters;
}

/** `value`: the least size of a memory or table, the type of a function. */
function imported(reader: Reader): { kind: number; value: number } {
  const kind = reader.byte();
  if (kind === FUNCTION) return { kind, value: reader.number() };
  if (kind === TABLE) reader.skip(1);
  if (kind === GLOBAL) reader.skip(2);
  if (kind !== TABLE && kind !== MEMORY) return { kind, value: 0 };
  const flags = reader.byte();
  const value = reader.number();
  if (flags & HAS_MAXIMUM) reader.number();
  return { kind, value };
}

class Reader {
  private readonly bytes: Uint8Array;
  private at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new RangeError('the module ends too early');
    return value;
  }

  /** LEB128, unsigned. */
  number(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  skip(bytes: number): void {
    this.at += bytes;
    if (this.at > this.bytes.length) throw new RangeError('the module ends too early');
  }

  name(): string {
    const length = this.number();
    const from = this.at;
    this.skip(length);
    return new TextDecoder().decode(this.bytes.subarray(from, this.at));
  }

  /** The next bytes as a reader of their own. */
  part(bytes: number): Reader {
    const from = this.at;
    this.skip(bytes);
    return new Reader(this.bytes.subarray(from, this.at));
  }

  /** A vector: its length, then so many elements. */
  times(element: () => void): void {
    for (let left = this.number(); left > 0; left--) element();
  }
}
