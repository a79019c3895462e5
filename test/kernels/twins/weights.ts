/** Made-up weights in the bytes of a file: all bits random but the scales, which are set to what a test wants. */
import { formatOf } from '../../../src/kernels/formats.ts';
import type { WeightFormat } from '../../../src/kernels/formats.ts';
import { interleaveTwin } from './formats.ts';
import { bitsOf, numberToF16 } from './numbers.ts';
import type { Random } from './numbers.ts';

/** Where a block keeps its f16 scales (and minimums). */
export const SCALES: Record<string, number[]> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
  IQ4_XS: [0],
};

/** Rows and bytes of a retired interleaved type, as its name has them. */
export function interleaving(format: WeightFormat): [number, number] {
  const [R, B] = format.name.split('_').slice(2).map(Number);
  return [R!, B!];
}

/** `rows` rows of `columns`, in the file's order. */
export function randomWeights(
  format: WeightFormat,
  rows: number,
  columns: number,
  source: Random,
): Uint8Array<ArrayBuffer> {
  if (format.interleave) {
    const [R, B] = interleaving(format);
    return interleaveTwin(randomWeights(formatOf(2, rows)!, rows, columns, source), rows, R, B);
  }
  const blocks = (rows * columns) / format.blockColumns;
  const bytes = new Uint8Array(blocks * format.blockBytes);
  const view = new DataView(bytes.buffer);
  for (let b = 0, at = 0; b < blocks; b++, at += format.blockBytes) {
    if (format.form === 'f32') {
      const w = source.normal();
      if (format.name === 'F32') view.setFloat32(at, w, true);
      else view.setUint16(at, format.name === 'F16' ? numberToF16(w) : bitsOf(w) >>> 16, true);
      continue;
    }
    for (let i = 0; i < format.blockBytes; i++) bytes[at + i] = source.below(256);
    if (format.name === 'MXFP4') bytes[at] = 120 + source.below(12);
    for (const [i, offset] of (SCALES[format.name] ?? []).entries()) {
      // Minimums of either sign; scales of either sign too, as ggml's Q4_0 has them.
      const scale = 0.01 * (0.2 + source.uniform()) * (source.below(2) ? 1 : -1) * (i === 1 ? 5 : 1);
      view.setUint16(at + offset, numberToF16(scale), true);
    }
  }
  return bytes;
}

/** Sets every f16 scale of a matrix. Formats without f16 scales stay as they are. */
export function setScales(format: WeightFormat, bytes: Uint8Array, bits: (index: number) => number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += format.blockBytes) {
    for (const [i, offset] of (SCALES[format.name] ?? []).entries())
      view.setUint16(at + offset, bits(i), true);
  }
}
