// @ts-check
/**
 * Runs on an emulated processor: what each chunk of a product costs, when it is cut for so many workers. One thread
 * does them, so that the counts repeat: the program that reads them shares the chunks out.
 * usage: guest-balance.mjs VARIANT
 */
import { compileKernels, count, setCompiler } from './guest.mjs';
import { MATRICES, WORKERS } from './plan.mjs';

setCompiler();
const { Matmul, MATMUL_FORMATS } = await import('../matmul.mjs');

const module = compileKernels(process.argv[2] ?? '');
for (const [i, { format: name, rows, columns }] of MATRICES.entries()) {
  const format = MATMUL_FORMATS.find((each) => each.name === name);
  if (!format) throw new Error(`no format ${name}`);
  for (const threads of WORKERS) {
    const product = new Matmul(module, { format, rows, columns, tokens: 1, threads, copies: 1, alone: true });
    for (let k = 0; k < 2; k++) product.step();
    const chunks = product.chunksTaken();
    // All but the first k, each time.
    for (let k = 0; k < chunks; k++) count(`${i}:${threads}:${k}`, () => product.step(k));
    await product.close();
  }
}
