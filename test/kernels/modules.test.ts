/** What the compiled kernel modules export, import and contain. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FORMATS, OTHER_LAYOUTS } from '../../src/kernels/formats.ts';
import { Machine, VARIANTS, wasmOf } from './machine.ts';
import type { Variant } from './machine.ts';

const require = createRequire(import.meta.url);

interface Field {
  type: string;
  name: string;
  module?: string;
  descr: {
    type?: string;
    exportType?: string;
    limits?: { min: number; max?: number; shared?: boolean };
    signature?: { params: unknown[]; results: string[] };
  };
}
type Decode = (bytes: Uint8Array, options: object) => { body: { fields: Field[] }[] };
interface Binaryen {
  readBinary(bytes: Uint8Array): { emitText(): string; validate(): number; dispose(): void };
}

const { decode } = require('@webassemblyjs/wasm-parser') as { decode: Decode };
// assemblyscript brings it along; which folder it lies in is npm's business.
const path = createRequire(require.resolve('assemblyscript/package.json')).resolve('binaryen');
const binaryen = ((await import(pathToFileURL(path).href)) as { default: Binaryen }).default;

/** Members of the KernelExports interface, read from its text: functions have a parameter list. */
function declared(): Record<string, string> {
  const text = readFileSync(new URL('../../src/kernels/exports.ts', import.meta.url), 'utf8');
  const body = /export interface KernelExports \{\n(.*?)\n\}/s.exec(text)![1]!;
  const members = [...body.matchAll(/^ {2}(\w+)(\(|: WebAssembly\.(\w+))/gm)];
  return Object.fromEntries(members.map(([, name, , type]) => [name, type ?? 'Func']));
}

const RELAXED: Record<Variant, string[]> = {
  simd: [],
  dot2: ['i16x8.relaxed_dot_i8x16_i7x16_s'],
  dot4: ['i32x4.relaxed_dot_i8x16_i7x16_add_s'],
};

describe.each(VARIANTS)('%s.wasm', (variant) => {
  const fields = decode(wasmOf(variant), { ignoreCodeSection: true }).body[0]!.fields;

  it('exports exactly the kernel interface', () => {
    const exported = fields.filter(({ type }) => type === 'ModuleExport');
    const kinds = Object.fromEntries(exported.map(({ name, descr }) => [name, descr.exportType]));
    expect(Object.keys(kinds)).toHaveLength(exported.length);
    expect(Object.keys(kinds).length).toBeGreaterThan(10);
    expect(kinds).toEqual(declared());
  });

  it('imports a shared memory and a clock, nothing else', () => {
    const imports = fields.filter(({ type }) => type === 'ModuleImport');
    expect(imports.map(({ module, name }) => `${module}.${name}`).sort()).toEqual(['env.memory', 'env.now']);
    const memory = imports.find(({ name }) => name === 'memory')!.descr;
    expect(memory.type).toBe('Memory');
    expect(memory.limits).toMatchObject({ min: 1, max: 65536, shared: true });
    const clock = imports.find(({ name }) => name === 'now')!.descr;
    expect(clock.signature).toMatchObject({ params: [], results: ['f64'] });
  });

  it('has the relaxed dot of its variant and no other', () => {
    const module = binaryen.readBinary(wasmOf(variant));
    const text = module.emitText();
    module.dispose();
    const dots = new Set(text.match(/\bi\d+x\d+\.relaxed_dot\w+/g) ?? []);
    expect([...dots]).toEqual(RELAXED[variant]);
    if (variant === 'simd') expect(text).not.toContain('relaxed');
    // Of the three ways to a dot product, the plain one multiplies i16 by i16.
    expect(text).toContain('i32x4.dot_i16x8_s');
  });

  it('has a kernel of every kind for every format, and none for unknown ones', () => {
    const { kernels } = new Machine(variant, 2);
    const signatures = [7, 8, 5, 5];
    const all = [...FORMATS, ...OTHER_LAYOUTS];
    for (const format of all) {
      for (const [kind, parameters] of signatures.entries()) {
        const index = kernels.kernelIndex(format.kernel, kind);
        expect(index).toBeGreaterThan(0);
        const kernel = kernels.table.get(index) as unknown;
        expect(typeof kernel).toBe('function');
        expect((kernel as { length: number }).length, `${format.name}, kind ${kind}`).toBe(parameters);
      }
    }
    expect(FORMATS.map(({ kernel }) => kernel)).toEqual(FORMATS.map((_, row) => row));
    expect(new Set(all.map(({ kernel }) => kernel)).size).toBe(all.length);
    for (const unknown of [FORMATS.length, OTHER_LAYOUTS.at(-1)!.kernel + 1, -1, 1000])
      expect(kernels.kernelIndex(unknown, 0)).toBe(0);
  });

  it('writes its constants below the control block, the same in every instance', () => {
    const machine = new Machine(variant, 2);
    const before = machine.u8(0, 65536).slice();
    // From src/kernels/control.ts on, all is the engine's: an instance that joins later must not touch it.
    machine.u8(0x2000, 65536 - 0x2000).fill(0x55);
    new WebAssembly.Instance(new WebAssembly.Module(wasmOf(variant)), {
      env: { memory: machine.memory, now: () => 0 },
    });
    expect(machine.u8(0x2000, 65536 - 0x2000).every((byte) => byte === 0x55)).toBe(true);
    expect(Buffer.compare(machine.u8(0, 0x2000), before.subarray(0, 0x2000))).toBe(0);
    expect(before.subarray(0x2000).every((byte) => byte === 0)).toBe(true);
  });
});
