/** The engine's own Q4_1 kernel, the opponent of stage 09: one thread, one token, the layout of the stage. */
import { GEMV_KERNEL, instantiate } from '../../../src/kernels/exports.ts';
import { FORMATS } from '../../../src/kernels/formats.ts';
import { chooseVariant, loadKernelModule } from '../../../src/platform/node/variant.ts';
import { weightBytes, activationBytes } from '../problems/index.ts';
import { fillMatrix, fillVectors } from './fill.ts';
import { withTokens, type NamedShape } from './shapes.ts';

const Q4_1 = FORMATS.find(({ name }) => name === 'Q4_1')!;
/** Constants and the control block of a kernel module lie below. */
const FIRST_FREE = 0x10000;
const ROUNDS = 30;

/** 10^9 operations per second of the variant that won on this machine, the best of some rounds. */
export async function engineSpeed(shape: Omit<NamedShape, 'name'>): Promise<number> {
  const { variant } = await chooseVariant();
  const module = await loadKernelModule(variant);
  const sizes = withTokens(shape, 1);
  const weights = FIRST_FREE;
  const x = Math.ceil((weights + weightBytes('groups', sizes)) / 64) * 64;
  const y = Math.ceil((x + activationBytes('groups', sizes)) / 64) * 64;
  const pages = Math.ceil((y + shape.rows * 4) / 65536) + 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const kernels = instantiate(module, memory);
  fillMatrix('groups', sizes, new Uint8Array(memory.buffer, weights, weightBytes('groups', sizes)));
  fillVectors('groups', sizes, new Uint8Array(memory.buffer, x, activationBytes('groups', sizes)));
  type Gemv = (
    a: number,
    b: number,
    x: number,
    ya: number,
    yb: number,
    groups: number,
    blocks: number,
  ) => void;
  const gemv = kernels.table.get(kernels.kernelIndex(Q4_1.kernel, GEMV_KERNEL)) as Gemv;
  const half = shape.rows >> 4;
  const groupBytes = weightBytes('groups', { ...sizes, rows: 8 });
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    gemv(weights, weights + half * groupBytes, x, y, y + half * 32, half, shape.columns / 32);
    best = Math.min(best, performance.now() - started);
  }
  return (2 * half * 16 * shape.columns) / best / 1e6;
}
