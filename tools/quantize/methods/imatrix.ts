/**
 * Importance: errors of a column count by the mean square of its input, in the searches of llama.cpp's quantizers. What
 * `nibble imatrix` writes to a file, made on the fly. The method has no paper; the weighted least squares are
 * llama.cpp's (its pull requests 4861 and 4930).
 */
import { SquareSums } from '../../imatrix/collect.ts';
import type { Imatrix } from '../../imatrix/imatrix.ts';
import type { Calibration } from '../../calibration/calibration.ts';

/** @throws ModelError where activations become NaN; AbortedError */
export async function imatrixOf(calibration: Calibration): Promise<Imatrix> {
  const sums = new SquareSums();
  await calibration.runAll((observation) => sums.add(observation));
  const { name, chunks, chunkSize } = calibration;
  return { name, entries: sums.entries(), datasets: [name], chunks, chunkSize };
}
