/**
 * The layouts of Q4_0 side by side on this machine: its GEMV and GEMM kernels on a set of random matrices that no cache
 * holds, as a model's weights are. Layouts take turns, and the best of their rounds counts. The caller sets the V8
 * flags that a variant needs.
 */
import {
  GEMM_KERNEL,
  GEMV_KERNEL,
  REPACK_KERNEL,
  instantiate,
  type KernelExports,
} from '../../src/kernels/exports.ts';
import {
  activationBytes,
  fileRowBytes,
  formatOf,
  groupBytes,
  layoutsOf,
  units,
  type WeightFormat,
} from '../../src/kernels/formats.ts';
import { fillBlocks, generator, type Variant } from '../../src/kernels/race.ts';
import { callRate, compileVariant, sharedMemory } from '../limits/calls.ts';

export interface LayoutRates {
  layout: string;
  layoutText: string;
  gemv: Rate & { gbPerSecond: number };
  gemm: Rate;
}

export interface Rate {
  /** 10^9 operations per second, a multiplication and an addition each, of all threads together. */
  gops: number;
  /** To the default layout. */
  ratio: number;
}

export interface LayoutOptions {
  variant: Variant;
  threads: number;
  rounds: number;
  /** Of one measurement. */
  milliseconds?: number;
  signal?: AbortSignal;
  onRound?: (round: number) => void;
}

const Q4_0 = formatOf(2, 8)!;
const ROWS = 2048;
const COLUMNS = 2048;
/** Matrices together: more than the caches of most machines hold. */
const SET_BYTES = 256 * 2 ** 20;
/** Row groups of a call, of each of the two streams of a GEMV, and of a GEMM: tens of microseconds. */
const GEMV_GROUPS = 16;
/** Tokens of a GEMM: enough that unpacking hardly counts. */
const TOKENS = 64;
/** Rows that are made; the others repeat them: speed does not depend on values. */
const MADE_ROWS = 64;
const PAGE = 65536;
/** What GEMM kernels may ask for: as src/engine/layout/scratch.ts gives it. */
const SCRATCH_BYTES = 10240;
const X_STRIDE = activationBytes('int8', COLUMNS) + 64;
const Y_STRIDE = ROWS * 4 + 64;

/** Addresses in the memory of a measurement; `results` and `scratch`: one after another for each thread. */
interface Places {
  raw: number;
  x: number;
  results: number;
  resultBytes: number;
  scratch: number;
  weights: number;
  copies: number;
  pages: number;
}

function placesOf(threads: number): Places {
  let top = PAGE;
  const place = (bytes: number) => {
    const at = top;
    top += Math.ceil(bytes / 64) * 64;
    return at;
  };
  const matrix = (ROWS / 8) * groupBytes(Q4_0, COLUMNS);
  const copies = Math.ceil(SET_BYTES / matrix);
  const resultBytes = Y_STRIDE * TOKENS;
  return {
    raw: place(Math.max(MADE_ROWS * fileRowBytes(Q4_0, COLUMNS), COLUMNS * 4)),
    x: place(X_STRIDE * TOKENS),
    results: place(resultBytes * threads),
    resultBytes,
    scratch: place(SCRATCH_BYTES * threads),
    weights: place(matrix * copies),
    copies,
    pages: Math.ceil(top / PAGE),
  };
}

/** The set of matrices in a format's layout. */
function fillWeights(kernels: KernelExports, format: WeightFormat, places: Places): void {
  const { raw, weights, copies } = places;
  const rowBytes = fileRowBytes(format, COLUMNS);
  const group = groupBytes(format, COLUMNS);
  const bytes = new Uint8Array(kernels.memory.buffer);
  fillBlocks(bytes.subarray(raw, raw + MADE_ROWS * rowBytes), 'random');
  const repack = kernels.kernelIndex(format.kernel, REPACK_KERNEL);
  kernels.repackGroups(repack, raw, rowBytes, MADE_ROWS, weights, group, units(format, COLUMNS));
  const end = weights + copies * (ROWS / 8) * group;
  for (let done = (MADE_ROWS / 8) * group; weights + done < end; done *= 2) {
    bytes.copyWithin(weights + done, weights, weights + Math.min(done, end - weights - done));
  }
}

function fillActivations(kernels: KernelExports, { raw, x }: Places): void {
  const random = generator();
  const row = new Float32Array(kernels.memory.buffer, raw, COLUMNS);
  for (let token = 0; token < TOKENS; token++) {
    for (let i = 0; i < COLUMNS; i++) row[i] = random();
    kernels.quantizeRow(raw, COLUMNS, x + token * X_STRIDE, 0);
  }
}

/** Arguments of the calls that each thread makes: the matrices' row groups, a stretch of them for each thread. */
function callsOf(kind: 'gemv' | 'gemm', places: Places, threads: number): number[][][] {
  const { weights, x, copies } = places;
  const group = groupBytes(Q4_0, COLUMNS);
  const blocks = units(Q4_0, COLUMNS);
  const perCall = kind === 'gemv' ? 2 * GEMV_GROUPS : 1;
  const calls = Math.floor((copies * ROWS) / 8 / perCall / threads);
  return Array.from({ length: threads }, (_, thread) => {
    const y = places.results + thread * places.resultBytes;
    const scratch = places.scratch + thread * SCRATCH_BYTES;
    return Array.from({ length: calls }, (__, i) => {
      const a = weights + (thread * calls + i) * perCall * group;
      if (kind === 'gemm') return [a, x, X_STRIDE, y, Y_STRIDE, TOKENS, blocks, scratch];
      return [a, a + GEMV_GROUPS * group, x, y, y + GEMV_GROUPS * 32, GEMV_GROUPS, blocks];
    });
  });
}

/** GEMV and GEMM in each layout, the default one first. */
export async function measureLayouts(options: LayoutOptions): Promise<LayoutRates[]> {
  const { variant, threads, rounds, milliseconds = 60, signal } = options;
  const layouts = layoutsOf(Q4_0);
  const places = placesOf(threads);
  const memory = sharedMemory(places.pages);
  const module = await compileVariant(variant);
  const kernels = instantiate(module, memory);
  fillActivations(kernels, places);
  const best = layouts.map(() => ({ gemv: 0, gemm: 0 }));
  for (let round = 0; round < rounds; round++) {
    options.onRound?.(round);
    for (const [i, layout] of layouts.entries()) {
      fillWeights(kernels, layout, places);
      for (const [kind, kernel] of [
        ['gemv', GEMV_KERNEL],
        ['gemm', GEMM_KERNEL],
      ] as const) {
        signal?.throwIfAborted();
        const args = callsOf(kind, places, threads);
        const call = kernels.kernelIndex(layout.kernel, kernel);
        const rate = await callRate({ module, memory, call, args, milliseconds });
        best[i]![kind] = Math.max(best[i]![kind], rate);
      }
    }
  }
  return layouts.map(({ layout, layoutText }, i) => {
    const { gemv, gemm } = best[i]!;
    const groupOps = 2 * 8 * COLUMNS;
    return {
      layout,
      layoutText,
      gemv: {
        gops: (gemv * 2 * GEMV_GROUPS * groupOps) / 1e6,
        ratio: gemv / best[0]!.gemv,
        gbPerSecond: (gemv * 2 * GEMV_GROUPS * groupBytes(Q4_0, COLUMNS)) / 1e6,
      },
      gemm: { gops: (gemm * groupOps * TOKENS) / 1e6, ratio: gemm / best[0]!.gemm },
    };
  });
}
