/** What threads do to the Hessians in a memory that they share: assembly/quantize/hessian.ts. */
import { instantiateQuantizers, type QuantizeExports, type QuantizeModules } from '../kernels.ts';

/** A memory and the modules to work on it; `id` tells memories apart. */
export interface SharedMemory {
  id: number;
  memory: WebAssembly.Memory;
  modules: QuantizeModules;
}

/** H += X^T X for rows first .. last - 1 of H. Addresses are bytes. */
export interface ProductsTask extends SharedMemory {
  x: number;
  tokens: number;
  columns: number;
  h: number;
  first: number;
  last: number;
}

/** H becomes M, for columns in an order: see assembly/quantize/feedback.ts. */
export interface FactorTask extends SharedMemory {
  h: number;
  columns: number;
  /** Address of i32[columns]. */
  order: number;
  damping: number;
  /** Factor on all but the diagonal. */
  trust: number;
  /** Room for a matrix and a row. */
  work: number;
}

let current: { id: number; exports: QuantizeExports } | undefined;

function kernelsOn({ id, memory, modules }: SharedMemory): QuantizeExports {
  if (current?.id !== id) current = { id, exports: instantiateQuantizers(modules, memory) };
  return current.exports;
}

export function addProducts(task: ProductsTask): void {
  const { x, tokens, columns, h, first, last } = task;
  kernelsOn(task).addProducts(x, tokens, columns, h, first, last);
}

/** @returns false, with H as it was, where it is not positive definite */
export function factorize(task: FactorTask): boolean {
  const { h, columns, order, damping, trust, work, memory } = task;
  const kernels = kernelsOn(task);
  const bytes = columns * columns * 4;
  kernels.orderHessian(h, columns, order, damping, trust, work);
  if (kernels.cholesky(work, columns) === 0) return false;
  kernels.invertLower(work, columns, work + bytes);
  new Uint8Array(memory.buffer).copyWithin(h, work, work + bytes);
  return true;
}
