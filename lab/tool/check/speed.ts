/**
 * Speed as ratios within one run: the reference, the course's solution and the learner's kernel take turns, so whatever
 * disturbs the machine disturbs all three. What passes is a share of what the solution gains here.
 */
import type { CompiledKernel } from '../compile/compile.ts';
import { activationBytes, weightBytes, type Shape } from '../problems/index.ts';
import { fillMatrix, fillVectors } from '../bench/fill.ts';
import { createMemory, place } from '../runner/memory.ts';
import type { Pool } from '../runner/pool.ts';
import type { Timed } from '../runner/protocol.ts';
import type { Layout, Stage } from '../stages.ts';
import type { SpeedFinding } from './report.ts';

/** Shares of the solution's gain over the reference that pass, and that are merit. */
const PASS_SHARE = 0.5;
const MERIT_SHARE = 0.9;
/** Below this the machine shows no gain that could be judged: one core, say. */
const LEAST_GAIN = 1.1;

export interface Contestant {
  kernel: CompiledKernel;
  layout: Layout;
  workers: number;
}

/** Milliseconds of each round, per contestant, all on the same shape, in turn. */
export async function measure(
  pool: Pool,
  contestants: readonly Contestant[],
  shape: Shape,
  rounds: number,
  limit: number,
): Promise<number[][]> {
  const threads = Math.max(...contestants.map(({ workers }) => workers));
  const memories = new Map<Layout, { memory: WebAssembly.Memory; placement: ReturnType<typeof place> }>();
  const timed: Timed[] = [];
  for (const { kernel, layout, workers } of contestants) {
    let place = memories.get(layout);
    if (!place) {
      place = prepare(layout, shape, threads);
      memories.set(layout, place);
    }
    const number = await pool.load(kernel.module, place.memory, threads, limit);
    timed.push({ kernel: number, call: { ...place.placement, ...shape }, workers });
  }
  const times = await pool.time(timed, rounds + 1, limit);
  // The first round touches memory and wakes the threads.
  return times.map((one) => one.slice(1));
}

function prepare(layout: Layout, shape: Shape, workers: number) {
  const sizes = {
    weights: weightBytes(layout, shape),
    activations: activationBytes(layout, shape),
    output: shape.rows * shape.tokens * 4,
    workers,
  };
  const placement = place(sizes);
  const memory = createMemory(placement.bytes);
  fillMatrix(layout, shape, new Uint8Array(memory.buffer, placement.weights, sizes.weights));
  fillVectors(layout, shape, new Uint8Array(memory.buffer, placement.activations, sizes.activations));
  return { memory, placement };
}

export interface SpeedOptions {
  shape: Shape;
  threads: number;
  rounds: number;
  limit: number;
}

/** The learner's kernel against the reference and the solution. */
export async function checkSpeed(
  pool: Pool,
  stage: Stage,
  kernels: Record<'reference' | 'solution' | 'learner', CompiledKernel>,
  { shape, threads, rounds, limit }: SpeedOptions,
): Promise<SpeedFinding> {
  const workers = stage.workers === 'all' ? threads : 1;
  const times = await measure(
    pool,
    [
      { kernel: kernels.reference, layout: stage.layout === 'int8' ? 'int8' : 'rows', workers: 1 },
      { kernel: kernels.solution, layout: stage.layout, workers },
      { kernel: kernels.learner, layout: stage.layout, workers },
    ],
    shape,
    rounds,
    limit,
  );
  const [reference, solution, learner] = times.map((one) => Math.min(...one)) as [number, number, number];
  const gmacs = (shape.rows * shape.columns * shape.tokens) / learner / 1e6;
  return judge(reference / learner, reference / solution, gmacs, workers);
}

function judge(ratio: number, solution: number, gmacs: number, threads: number): SpeedFinding {
  const line = (share: number) => 1 + share * (solution - 1);
  const [pass, merit] = [line(PASS_SHARE), line(MERIT_SHARE)];
  const common = { ratio, solution, pass, merit, gmacs, threads };
  if (solution < LEAST_GAIN) {
    const note = 'on this machine the solution gains nothing over the reference';
    return { ...common, verdict: 'not judged', note };
  }
  return { ...common, verdict: ratio >= merit ? 'merit' : ratio >= pass ? 'pass' : 'slow' };
}
