/** What the methods ask of the kernels besides converting rows. */
import { rowBytes } from '../../../src/gguf/tensor-types.ts';
import { BUFFERS, QuantizeKernels, ROW_SCRATCH, type Treatment } from '../kernels.ts';

export interface OutputErrors {
  /** Type to quantize to. */
  to: number;
  /** Several times `columns` factors on the columns. */
  scales: Float32Array;
  /** Inputs of the matrix, [an even number x columns]. */
  samples: Float32Array;
  /** How much an error in a column of W counts in the search for scales. */
  importance?: Float32Array;
}

/** Largest magnitudes. */
export interface Maxima {
  columns: Float32Array;
  rows: Float32Array;
}

export class MethodKernels extends QuantizeKernels {
  /**
   * Of rows as they are with the factors of a treatment.
   *
   * @throws GgufError as dequantize
   */
  maxima(from: number, bytes: Uint8Array, rows: number, columns: number, treatment: Treatment): Maxima {
    const x = this.read(from, bytes, rows, columns);
    this.scale(x, rows, columns, treatment);
    const ofColumns = this.room(x - BUFFERS + rows * columns * 4, columns * 4);
    const ofRows = this.room(ofColumns - BUFFERS + columns * 4, rows * 4);
    this.quantizers.maxima(x, rows, columns, ofColumns, ofRows);
    const copy = (at: number, n: number) => new Float32Array(this.memory.buffer, at, n).slice();
    return { columns: copy(ofColumns, columns), rows: copy(ofRows, rows) };
  }

  /**
   * For each set of scales s: the sum, over rows of W and inputs x, of the squares of the errors that Q(W diag(s)) in the
   * place of W diag(s) makes of the outputs for x / s.
   *
   * @param bytes rows of type `from`
   * @throws GgufError as dequantize
   */
  outputErrors(
    from: number,
    bytes: Uint8Array,
    rows: number,
    columns: number,
    { to, scales, samples, importance }: OutputErrors,
  ): Float64Array {
    const count = rows * columns;
    const size = count * 4;
    const w = this.read(from, bytes, rows, columns);
    const scaled = this.room(w - BUFFERS + size, size + ROW_SCRATCH);
    const x = this.room(scaled - BUFFERS + size + ROW_SCRATCH, samples.byteLength);
    const factors = this.room(x - BUFFERS + samples.byteLength, columns * 4);
    const weights = this.room(factors - BUFFERS + columns * 4, columns * 4);
    const written = this.room(weights - BUFFERS + columns * 4, rows * rowBytes(to, columns));
    const back = this.room(written - BUFFERS + rows * rowBytes(to, columns), size + ROW_SCRATCH);
    const sampleCount = samples.length / columns;
    return Float64Array.from({ length: scales.length / columns }, (_, i) => {
      const s = scales.subarray(i * columns, (i + 1) * columns);
      new Uint8Array(this.memory.buffer).copyWithin(scaled, w, w + size);
      this.put(factors, s);
      this.quantizers.scaleColumns(scaled, rows, columns, factors);
      this.put(x, samples);
      this.put(
        factors,
        s.map((value) => 1 / value),
      );
      this.quantizers.scaleColumns(x, sampleCount, columns, factors);
      if (importance) {
        this.put(
          weights,
          importance.map((value, k) => value / s[k]! ** 2),
        );
      }
      this.store(to, scaled, rows, columns, importance ? weights : 0, written);
      this.toF32(to, written, rows, columns, back);
      this.quantizers.subtract(back, scaled, count);
      return this.quantizers.outputError(back, rows, x, sampleCount, columns);
    });
  }
}
