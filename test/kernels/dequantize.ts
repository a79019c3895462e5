/** Repacked, then dequantized row by row: the file's values again, bit for bit. */
import { fileRowBytes } from '../../src/kernels/formats.ts';
import type { WeightFormat } from '../../src/kernels/formats.ts';
import { sameBits } from './check.ts';
import type { Machine } from './machine.ts';
import { dequantizeTwin } from './twins/formats.ts';

export function checkDequantize(
  machine: Machine,
  format: WeightFormat,
  bytes: Uint8Array,
  rows: number,
  columns: number,
  expected?: Float32Array,
): void {
  machine.reset();
  const matrix = machine.repack(format, bytes, rows, columns);
  const rowBytes = fileRowBytes(format, columns);
  for (let row = 0; row < rows; row++) {
    const what = `${machine.variant} ${format.name} ${rows} x ${columns}, row ${row}`;
    const actual = machine.dequantize(matrix, row);
    const slice = bytes.subarray(row * rowBytes, (row + 1) * rowBytes);
    const twin = dequantizeTwin(format, slice, columns, Math.fround);
    if (expected) {
      sameBits(twin, expected.subarray(row * columns, (row + 1) * columns), `${what}: the twin itself`);
    }
    sameBits(actual, twin, what);
  }
  machine.checkFences();
}

/** A file of little-endian f32. */
export function toF32(bytes: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
