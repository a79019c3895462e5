// @ts-check
/**
 * Runs on an emulated processor: one product of each weight format and kernel.
 * usage: guest-kernels.mjs VARIANT FORMAT,...
 */
import { compileKernels, count, setCompiler } from './guest.mjs';
import { GEMM_TOKENS, IDLE, PRODUCT } from './plan.mjs';

setCompiler();
const { Matmul, MATMUL_FORMATS } = await import('../matmul.mjs');

const [variant = '', wanted = ''] = process.argv.slice(2);
const module = compileKernels(variant);
for (const format of MATMUL_FORMATS.filter(({ name }) => wanted.split(',').includes(name))) {
  for (const kernel of /** @type {const} */ (['gemv', 'gemm'])) {
    const tokens = kernel === 'gemv' ? 1 : GEMM_TOKENS;
    const product = new Matmul(module, { ...PRODUCT, format, tokens, threads: 1, copies: 1 });
    // The first step pays for compiling.
    for (let i = 0; i < 2; i++) product.step();
    count(`${kernel}:${format.name}`, () => product.step());
    // The JavaScript around a step, which is no part of the kernel: a step in which all chunks are taken.
    const chunks = product.chunksTaken();
    count(`${IDLE}${kernel}:${format.name}`, () => product.step(chunks));
    await product.close();
  }
}
