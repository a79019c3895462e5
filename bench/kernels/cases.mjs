// @ts-check
/** Which products are measured, and in what order. */

/**
 * @typedef {object} Case
 * @property {'gemv' | 'gemm'} kernel
 * @property {import('../matmul.mjs').WeightFormat} format
 * @property {number} rows
 * @property {number} columns
 * @property {number} tokens
 * @property {number} threads
 */

/**
 * @param {import('./options.mjs').Options} options
 * @param {readonly import('../matmul.mjs').WeightFormat[]} formats all there are
 * @returns {Case[]} without those whose columns do not fill the blocks of their format
 */
export function casesOf({ kernels, formats: wanted, shapes, tokens, threads }, formats) {
  return kernels.flatMap((kernel) =>
    formats
      .filter(({ name }) => wanted?.includes(name) ?? true)
      .flatMap((format) =>
        shapes[kernel]
          .filter(({ columns }) => columns % format.blockColumns === 0)
          .flatMap(({ rows, columns }) =>
            threads.map((count) => ({
              kernel,
              format,
              rows,
              columns,
              tokens: kernel === 'gemv' ? 1 : tokens,
              threads: count,
            })),
          ),
      ),
  );
}
