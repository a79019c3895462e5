/** Q4_0, Q4_1, Q5_0, Q5_1 with importance: the searches of the K formats on blocks of 32, row by row. */
import { gather, scatter, sumOfSquares, weigh } from './lanes';
import { toF16 } from './numbers';
import { AUX, BYTES, L, MINIMUMS, SCALES, WEIGHTS, X } from './scratch';
import { searchAffine, searchSigned } from './search';

/** One row. `minimum`: of Q4_1 and Q5_1. The last blocks of a row fill the lanes that are left over, too. */
// @ts-ignore: decorator
@inline function quantizeRow(
  x: usize, importance: usize, blocks: i32, to: usize, s: usize, five: bool, minimum: bool,
): void {
  const n = 32, sigma2 = f32x4.splat(sumOfSquares(x, blocks << 5) / <f32>(blocks << 5));
  const most = five ? (minimum ? 31 : 16) : minimum ? 15 : 8, header: usize = (minimum ? 4 : 2) + (five ? 4 : 0);
  for (let block = 0; block < blocks; block += 4) {
    const a = <usize>block << 7, last = <usize>(blocks - 1) << 7;
    const b = min(a + 128, last), c = min(a + 256, last), d = min(a + 384, last);
    gather(x + a, x + b, x + c, x + d, n, s + X);
    gather(importance + a, importance + b, importance + c, importance + d, n, s + WEIGHTS);
    weigh(s + X, s + WEIGHTS, sigma2, n, s + WEIGHTS);
    let scales: v128;
    if (minimum) {
      scales = searchAffine(
        s + X, s + WEIGHTS, s + L, s + AUX, n, most, -0.9, 0.05, 36, false, s + MINIMUMS,
      );
    } else scales = searchSigned(s + X, s + WEIGHTS, s + L, n, most);
    v128.store(s + SCALES, scales);
    scatter(s + L, n, s + BYTES, s + BYTES + 32, s + BYTES + 64, s + BYTES + 96);
    for (let k = 0; k < min(4, blocks - block); k++) {
      const lane = <usize>k << 2, low = v128.load(s + BYTES + (lane << 3)), high = v128.load(s + BYTES + (lane << 3), 16);
      store<u16>(to, toF16(load<f32>(s + SCALES + lane)));
      if (minimum) store<u16>(to, toF16(-load<f32>(s + MINIMUMS + lane)), 2);
      if (five) {
        const bits = i8x16.bitmask(i8x16.shl(low, 3)) | (i8x16.bitmask(i8x16.shl(high, 3)) << 16);
        store<u32>(to + header - 4, bits);
      }
      v128.store(to + header, v128.or(v128.and(low, i8x16.splat(15)), i8x16.shl(high, 4)));
      to += header + 16;
    }
  }
}

export function importantQ40(x: usize, importance: usize, blocks: i32, to: usize, s: usize): void {
  quantizeRow(x, importance, blocks, to, s, false, false);
}

export function importantQ41(x: usize, importance: usize, blocks: i32, to: usize, s: usize): void {
  quantizeRow(x, importance, blocks, to, s, false, true);
}

export function importantQ50(x: usize, importance: usize, blocks: i32, to: usize, s: usize): void {
  quantizeRow(x, importance, blocks, to, s, true, false);
}

export function importantQ51(x: usize, importance: usize, blocks: i32, to: usize, s: usize): void {
  quantizeRow(x, importance, blocks, to, s, true, true);
}
