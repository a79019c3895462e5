/** Activations quantized per 32 values to int8: the twin of quantizeRow. */
import { roundHalfEven } from './numbers.ts';

export interface QuantizedRow {
  /** Whole numbers of -127..127, one per value. */
  q: number[];
  /** f32 scales, one per 32 values: x = scale * q. */
  scales: number[];
  /** scale * q, exactly. */
  values: number[];
}

/** Below this largest value a block counts as zero: 127 / largest would leave f32. */
export const LEAST = 2 ** -120;

/** From here on a block's scale is Infinity, as ggml's f16 would be. */
export const MOST = 127 * 2 ** 16;

export function quantizeTwin(x: Float32Array): QuantizedRow {
  const row: QuantizedRow = { q: [], scales: [], values: [] };
  for (let first = 0; first < x.length; first += 32) {
    const block = x.subarray(first, first + 32);
    const largest = block.reduce((most, v) => (Number.isNaN(v) ? NaN : Math.max(most, Math.abs(v))), 0);
    const scale = largest >= MOST ? Infinity : Math.fround(largest / 127);
    const inverse = largest > LEAST ? Math.fround(127 / largest) : 0;
    row.scales.push(scale);
    for (const v of block) {
      const q = largest > LEAST ? roundHalfEven(Math.fround(v * inverse)) : 0;
      row.q.push(q);
      row.values.push(q * scale);
    }
  }
  return row;
}
