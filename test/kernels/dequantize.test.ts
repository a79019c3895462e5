import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FORMATS, OTHER_LAYOUTS, formatOf } from '../../src/kernels/formats.ts';
import { sameBits } from './check.ts';
import { checkDequantize, toF32 } from './dequantize.ts';
import { Machine, VARIANTS } from './machine.ts';
import { interleaveTwin } from './twins/formats.ts';
import { random } from './twins/numbers.ts';
import { SCALES, interleaving, randomWeights, setScales } from './twins/weights.ts';

const fixture = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../fixtures/kernels/${name}`, import.meta.url)));
const plain = [...FORMATS.filter((format) => !format.interleave), ...OTHER_LAYOUTS];
const all = [...FORMATS, ...OTHER_LAYOUTS];
const interleaved = FORMATS.filter((format) => format.interleave);
const q4_0 = formatOf(2, 8)!;

describe.each(VARIANTS)('%s: dequantize', (variant) => {
  const machine = new Machine(variant);

  // ggml has I8 for whole numbers, and quantizes nothing to it.
  it.each(plain.filter(({ name }) => name !== 'I8'))('$name $layout as ggml has it', (format) => {
    const [rows, columns] = [17, 256];
    const input = format.name === 'F32';
    const bytes = fixture(input ? 'input.f32.bin' : `${format.name}.q.bin`);
    const expected = toF32(fixture(input ? 'input.f32.bin' : `${format.name}.deq.f32.bin`));
    expect(expected).toHaveLength(rows * columns);
    checkDequantize(machine, format, bytes, rows, columns, expected);
  });

  it.each(plain)('$name $layout: 1 to 17 rows, odd numbers of blocks', (format) => {
    const source = random(1 + format.kernel);
    const block = format.blockColumns === 1 ? 37 : format.blockColumns;
    for (const rows of [1, 2, 3, 5, 7, 8, 9, 15, 16, 17]) {
      for (const blocks of [1, 3]) {
        const columns = block * blocks;
        checkDequantize(machine, format, randomWeights(format, rows, columns, source), rows, columns);
      }
    }
  });

  it.each(plain)('$name $layout: the rows that fill up a group are zeros', (format) => {
    const columns = format.blockColumns === 1 ? 40 : 256;
    machine.reset();
    const matrix = machine.repack(format, randomWeights(format, 3, columns, random(5)), 3, columns);
    for (let row = 3; row < 8; row++) {
      // MXFP4's smallest scale is not 0: its zero nibbles are.
      sameBits(machine.dequantize(matrix, row).map(Math.abs), new Float32Array(columns), `row ${row}`);
    }
  });

  it.each(interleaved)('$name is Q4_0 rearranged', (format) => {
    const [R, B] = interleaving(format);
    for (const rows of [R, 2 * R, 3 * R, 4 * R]) {
      for (const columns of [32, 96, 544]) {
        machine.reset();
        const bytes = randomWeights(q4_0, rows, columns, random(rows + columns));
        const matrix = machine.repack(format, interleaveTwin(bytes, rows, R, B), rows, columns);
        const same = machine.repack(q4_0, bytes, rows, columns);
        expect(matrix.bad).toBe(0);
        const size = matrix.groups * matrix.groupBytes;
        expect(Buffer.compare(machine.u8(matrix.at, size), machine.u8(same.at, size))).toBe(0);
        machine.checkFences();
      }
    }
  });

  it.each(all.filter(({ name }) => name in SCALES))('$name $layout: every kind of f16 scale', (format) => {
    const columns = format.blockColumns;
    // Zero, the smallest and largest subnormal, the smallest normal, one, the largest; both signs.
    const scales = [0, 1, 0x3ff, 0x400, 0x3c00, 0x7bff].flatMap((bits) => [bits, bits | 0x8000]);
    for (const d of scales) {
      for (const m of scales) {
        const bytes = randomWeights(format, 2, columns, random(d ^ m));
        setScales(format, bytes, (i) => (i === 0 ? d : m));
        checkDequantize(machine, format, bytes, 2, columns);
        if (SCALES[format.name]!.length === 1) break;
      }
    }
  });

  it('MXFP4: every exponent', () => {
    const format = formatOf(39, 8)!;
    const bytes = randomWeights(format, 255, 32, random(3));
    for (let e = 0; e < 255; e++) bytes[e * 17] = e;
    checkDequantize(machine, format, bytes, 255, 32);
  });

  it('F16 and BF16: every finite value', () => {
    for (const type of [1, 30]) {
      const format = formatOf(type, 1)!;
      const values = Uint16Array.from({ length: 65536 }, (_, i) => i);
      const bytes = new Uint8Array(values.buffer);
      checkDequantize(machine, format, bytes, 8, 8192);
    }
  });
});

describe.each(VARIANTS)('%s: repackGroups', (variant) => {
  const machine = new Machine(variant);
  const columns = 768;
  const bad = (format: (typeof FORMATS)[number], bytes: Uint8Array, rows: number) => {
    machine.reset();
    return machine.repack(format, bytes, rows, columns).bad !== 0;
  };

  it.each(all.filter(({ name }) => name !== 'I8'))(
    '$name $layout: finds a NaN or an Inf wherever it is',
    (format) => {
      const rows = 16;
      const clean = randomWeights(format, rows, columns, random(9));
      expect(bad(format, clean, rows)).toBe(false);
      const blocks = clean.length / format.blockBytes;
      const f16 = [0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff];
      const places = format.interleave ? [0, 2, 4, 6] : (SCALES[format.name] ?? [0]);
      for (const b of [0, 1, blocks >> 1, blocks - 1]) {
        for (const place of places) {
          for (const bits of format.name === 'MXFP4' ? [0xff] : f16) {
            const dirty = clean.slice();
            const view = new DataView(dirty.buffer);
            // Interleaved: units of R blocks start with R scales.
            const R = format.interleave ?? 1;
            const at = (b - (b % R)) * format.blockBytes + place;
            if (format.name === 'MXFP4') dirty[at] = bits;
            else if (format.name === 'F32')
              view.setUint32(
                at,
                bits === 0x7c01 ? 0x7f800001 : bits === 0xfc00 ? 0xff800000 : 0x7f800000,
                true,
              );
            else if (format.name === 'BF16')
              view.setUint16(at, bits === 0x7c01 ? 0x7f81 : bits === 0xfc00 ? 0xff80 : 0x7fc0, true);
            else view.setUint16(at, bits, true);
            expect(bad(format, dirty, rows), `${bits.toString(16)} in block ${b} at ${place}`).toBe(true);
          }
        }
      }
    },
  );

  it.each(all)('$name $layout: the largest finite scale is no reason to complain', (format) => {
    const bytes = randomWeights(format, 8, columns, random(4));
    if (format.name === 'MXFP4') for (let at = 0; at < bytes.length; at += 17) bytes[at] = 254;
    else if (format.name === 'F32') new Float32Array(bytes.buffer).fill(-3.4028234663852886e38);
    else if (format.name === 'F16') new Uint16Array(bytes.buffer).fill(0xfbff);
    else if (format.name === 'BF16') new Uint16Array(bytes.buffer).fill(0xff7f);
    else if (format.interleave) bytes.fill(0x7b);
    else setScales(format, bytes, () => 0xfbff);
    expect(bad(format, bytes, 8)).toBe(false);
  });
});
