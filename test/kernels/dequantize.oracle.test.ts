/** All of ggml's quantized bytes and values. NIBBLE_ORACLE: a directory with quant/meta.json and models/. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/kernels/formats.ts';
import { checkDequantize, toF32 } from './dequantize.ts';
import { Machine, VARIANTS } from './machine.ts';

const oracle = process.env['NIBBLE_ORACLE'];
const folder = join(oracle ?? '', 'quant');

interface Meta {
  rows: number;
  cols: number;
  types: Record<
    string,
    { ggml_type: number; block_size: number; type_size: number; bytes: string; dequantized?: string }
  >;
}

describe.skipIf(oracle === undefined)('the oracle of number formats (NIBBLE_ORACLE)', () => {
  const meta: Meta = oracle
    ? (JSON.parse(readFileSync(join(folder, 'meta.json'), 'utf8')) as Meta)
    : { rows: 0, cols: 0, types: {} };
  const formats = FORMATS.filter(({ name }) => name in meta.types);

  it('has every format that has scales and is not retired', () => {
    const others = FORMATS.filter(({ name }) => !(name in meta.types)).map(({ name }) => name);
    expect(others).toEqual(['F32', 'Q4_0_4_4', 'Q4_0_4_8', 'Q4_0_8_8', 'I8']);
  });

  it.each(formats)('$name: number, block and bytes', (format) => {
    const type = meta.types[format.name]!;
    expect([format.type, format.blockColumns, format.blockBytes]).toEqual([
      type.ggml_type,
      type.block_size,
      type.type_size,
    ]);
  });

  describe.each(VARIANTS)('%s', (variant) => {
    const machine = new Machine(variant);
    it.each(formats)('$name', (format) => {
      const type = meta.types[format.name]!;
      const bytes = new Uint8Array(readFileSync(join(folder, type.bytes)));
      const expected = toF32(readFileSync(join(folder, type.dequantized!)));
      expect(expected).toHaveLength(meta.rows * meta.cols);
      checkDequantize(machine, format, bytes, meta.rows, meta.cols, expected);
    });
    it.each(formats.filter(({ name }) => /_|K/.test(name) && !['Q8_0', 'MXFP4'].includes(name)))(
      '$name, quantized with an importance matrix',
      (format) => {
        const bytes = new Uint8Array(readFileSync(join(folder, `${format.name}.imatrix.q.bin`)));
        checkDequantize(machine, format, bytes, meta.rows, meta.cols);
      },
    );
  });
});
