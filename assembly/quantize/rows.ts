/** A row of f32 to a row of a tensor type, by the types that search for a scale. */
import { importantQ40, importantQ41, importantQ50, importantQ51 } from './block32-important';
import { quantizeQ80 } from './block32';
import { quantizeIQ4NL, quantizeIQ4XS } from './iq4';
import { quantizeQ2K, quantizeQ4K, quantizeQ5K } from './k-blocks';
import { quantizeQ3K, quantizeQ6K } from './k-signed';

// GGUF tensor types: src/gguf/tensor-types.ts.
const Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14;
const IQ4_NL = 20, IQ4_XS = 23;

/** Bytes of `columns` values, a whole number of blocks. */
export function rowBytes(type: i32, columns: i32): usize {
  const blocks = <usize>(columns >> 5), supers = <usize>(columns >> 8);
  switch (type) {
    case Q4_0: case IQ4_NL: return blocks * 18;
    case Q4_1: return blocks * 20;
    case Q5_0: return blocks * 22;
    case Q5_1: return blocks * 24;
    case Q8_0: return blocks * 34;
    case Q2_K: return supers * 84;
    case Q3_K: return supers * 110;
    case Q4_K: return supers * 144;
    case Q5_K: return supers * 176;
    case Q6_K: return supers * 210;
    case IQ4_XS: return supers * 136;
    default: return 0;
  }
}

/** `importance`: f32 per column, or 0; blocks of 32 need it, but for IQ4_NL. */
export function quantizeRow(type: i32, x: usize, columns: i32, importance: usize, to: usize, s: usize): void {
  const blocks = columns >> 5;
  switch (type) {
    case Q4_0: return importantQ40(x, importance, blocks, to, s);
    case Q4_1: return importantQ41(x, importance, blocks, to, s);
    case Q5_0: return importantQ50(x, importance, blocks, to, s);
    case Q5_1: return importantQ51(x, importance, blocks, to, s);
    case IQ4_NL: return quantizeIQ4NL(x, importance, blocks, to, s);
  }
  const bytes = rowBytes(type, 256);
  for (let column = 0; column < columns; column += 256) {
    const at = x + (<usize>column << 2), q = importance ? importance + (<usize>column << 2) : 0;
    switch (type) {
      case Q2_K: quantizeQ2K(at, q, to, s); break;
      case Q3_K: quantizeQ3K(at, q, to, s); break;
      case Q4_K: quantizeQ4K(at, q, to, s); break;
      case Q5_K: quantizeQ5K(at, q, to, s); break;
      case Q6_K: quantizeQ6K(at, q, to, s); break;
      case IQ4_XS: quantizeIQ4XS(at, q, to, s); break;
    }
    to += bytes;
  }
}

/** The same also for Q8_0, with importance. */
export function fitRow(type: i32, x: usize, columns: i32, importance: usize, to: usize, s: usize): void {
  if (type == Q8_0) quantizeQ80(x, columns >> 5, to);
  else quantizeRow(type, x, columns, importance, to, s);
}
