/** Numbers that are written down twice, in AssemblyScript and in TypeScript, are the same. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as control from '../../src/kernels/control.ts';
import * as exportsModule from '../../src/kernels/exports.ts';
import {
  FORMATS,
  LAYOUTS,
  OTHER_LAYOUTS,
  activationBytes,
  fileRowBytes,
  formatOf,
  groupBytes,
  inLayout,
  layoutsOf,
  units,
} from '../../src/kernels/formats.ts';
import * as record from '../../src/kernels/record.ts';

const source = (name: string) => readFileSync(new URL(`../../assembly/${name}`, import.meta.url), 'utf8');

/** `export const NAME: type = sum of numbers and earlier names;` of an AssemblyScript file. */
function constantsOf(text: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [, name, expression] of text.matchAll(/^export const (\w+)(?:: \w+)? = ([^;]+);/gm)) {
    found[name!] = expression!.split('+').reduce((sum, term) => {
      const word = term.trim();
      const value = word in found ? found[word]! : Number(word);
      if (!Number.isSafeInteger(value)) throw new Error(`${name}: cannot read ${expression}`);
      return sum + value;
    }, 0);
  }
  return found;
}

describe('constants', () => {
  it.each([
    ['control.ts', { ...control }, 25],
    ['record.ts', { ...record }, 80],
  ])('assembly/%s and src/kernels have the same', (name, typescript, least) => {
    const assembly = constantsOf(source(name));
    expect(Object.keys(assembly).length).toBeGreaterThanOrEqual(least);
    expect(typescript).toEqual(assembly);
  });

  it('kinds of kernels', () => {
    const text = source('quant/index.ts');
    const kinds = Object.fromEntries(
      [...text.matchAll(/^const (\w+) = (\d);/gm)].map(([, k, v]) => [k, Number(v)]),
    );
    expect(kinds).toEqual({
      GEMV: exportsModule.GEMV_KERNEL,
      GEMM: exportsModule.GEMM_KERNEL,
      DEQUANTIZE: exportsModule.DEQUANTIZE_KERNEL,
    });
    expect(exportsModule.REPACK_KERNEL).toBe(3);
  });

  it('sizes of activation blocks', () => {
    const { X8_BYTES, X16_BYTES } = constantsOf(source('quant/activations.ts'));
    expect([activationBytes('int8', 32), activationBytes('int16', 32), activationBytes('f32', 32)]).toEqual([
      X8_BYTES,
      X16_BYTES,
      128,
    ]);
  });
});

describe('FORMATS', () => {
  it.each([...FORMATS, ...OTHER_LAYOUTS])(
    '$name $layout: 8 rows take at most 5 % more than in the file',
    (format) => {
      const columns = format.blockColumns * 4;
      const file = 8 * fileRowBytes(format, columns);
      expect(groupBytes(format, columns)).toBeGreaterThanOrEqual(file);
      expect(groupBytes(format, columns)).toBeLessThanOrEqual(1.05 * file);
      expect(units(format, columns)).toBe(format.form === 'f32' ? columns : columns / 32);
    },
  );

  it('finds formats by GGUF type; interleaved ones only where their rows come out even', () => {
    for (const format of FORMATS) expect(formatOf(format.type, 8)).toBe(format);
    expect(formatOf(31, 4)!.name).toBe('Q4_0_4_4');
    expect(formatOf(31, 6)!.name).toBe('Q4_0');
    expect(formatOf(33, 12)!.name).toBe('Q4_0');
    expect(formatOf(9999, 8)).toBeUndefined();
  });

  it('finds a format in another layout, where it has that', () => {
    const q4_0 = formatOf(2, 8)!;
    expect(layoutsOf(q4_0).map(({ layout }) => layout)).toEqual(['8x4', 'rows', '4x4', '4x8', '8x8']);
    for (const other of OTHER_LAYOUTS) {
      expect(inLayout(formatOf(other.type, 8)!, other.layout)).toBe(other);
      expect(layoutsOf(other)).toEqual(layoutsOf(q4_0));
      // The same file and the same activations: nothing else in a program depends on the layout.
      const { blockColumns, blockBytes, unitColumns, form } = formatOf(other.type, 8)!;
      expect(other).toMatchObject({ blockColumns, blockBytes, unitColumns, form });
      expect(LAYOUTS).toContain(other.layout);
    }
    expect(inLayout(q4_0, '8x4')).toBe(q4_0);
    expect(inLayout(formatOf(14, 8)!, '4x4')).toBeUndefined();
    expect(new Set(LAYOUTS).size).toBe(LAYOUTS.length);
  });
});
