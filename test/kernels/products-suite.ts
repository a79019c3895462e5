/** GEMV and GEMM of every format against their twins: the same tests for both of V8's compilers. */
import { expect, it } from 'vitest';
import { FORMATS, OTHER_LAYOUTS } from '../../src/kernels/formats.ts';
import { Machine } from './machine.ts';
import type { Variant } from './machine.ts';
import { checkProducts, exactRows, magnitudesOf } from './products.ts';
import { normals, random } from './twins/numbers.ts';
import { randomWeights } from './twins/weights.ts';

const plain = [...FORMATS.filter((format) => !format.interleave), ...OTHER_LAYOUTS];

/** Odd numbers of blocks, and enough of them that the GEMM unpacks more than one stretch of 16 blocks. */
function widths(blockColumns: number): number[] {
  if (blockColumns === 1) return [1, 7, 256, 300];
  if (blockColumns === 32) return [32, 96, 544];
  return [256, 768, 1280];
}

export function productTests(variant: Variant): void {
  const machine = new Machine(variant);

  it.each(plain)('$name $layout within its budget, GEMM as GEMV, 1 to 9 tokens', (format) => {
    const source = random(100 + format.kernel);
    let used = 0;
    for (const columns of widths(format.blockColumns)) {
      for (const rows of [3, 8, 17, 35]) {
        const bytes = randomWeights(format, rows, columns, source);
        const weights = exactRows(format, bytes, rows, columns);
        const tokens = Array.from({ length: 9 }, (_, t) => normals(columns, source, 10 ** (t % 3)));
        const counts = rows === 35 ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [4, 9];
        for (const count of counts) {
          machine.reset();
          const matrix = machine.repack(format, bytes, rows, columns);
          const what = `${format.name} ${rows} x ${columns}`;
          used = Math.max(used, checkProducts(machine, matrix, weights, tokens.slice(0, count), what));
        }
      }
    }
    // A budget far too wide would find no mistake.
    expect(used).toBeGreaterThan(0.01);
  });

  it.each(plain)('$name $layout: sparse activations pick single weights out', (format) => {
    const source = random(7);
    const columns = format.blockColumns === 1 ? 64 : 256;
    const rows = 16;
    const bytes = randomWeights(format, rows, columns, source);
    const weights = exactRows(format, bytes, rows, columns);
    const magnitudes = magnitudesOf(format, bytes, rows, columns);
    // Ten tokens, each with one value in a different place, cover every column in turn.
    for (let first = 0; first < columns; first += 10) {
      machine.reset();
      const matrix = machine.repack(format, bytes, rows, columns);
      const tokens = Array.from({ length: Math.min(10, columns - first) }, (_, t) => {
        const x = new Float32Array(columns);
        x[first + t] = t % 2 ? -1.5 : 127;
        return x;
      });
      checkProducts(machine, matrix, weights, tokens, `${format.name} from column ${first}`, { magnitudes });
    }
  });
}
