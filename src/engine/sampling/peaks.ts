import { PEAK_SPAN } from '../../kernels/record.ts';

/** The peaks of logits, as workers leave them beside a row: for logits that no step has computed. */
export function peaksOf(logits: Float32Array): Float32Array {
  return Float32Array.from({ length: Math.ceil(logits.length / PEAK_SPAN) }, (_, group) => {
    const values = logits.subarray(group * PEAK_SPAN, (group + 1) * PEAK_SPAN);
    return values.every(Number.isFinite) ? Math.max(...values) : NaN;
  });
}
