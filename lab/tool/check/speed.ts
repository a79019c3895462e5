/**
 * Speed as ratios within one run: the reference, the course's solution and the learner's kernel take turns, so whatever
 * disturbs the machine disturbs all three. What passes is a share of what the solution gains here.
 */
import type { CompiledKernel } from '../compile/compile.ts';
import { activationBytes, weightBytes, type Shape } from '../problems/index.ts';
import { expectedOutput, fillMatrix, fillVectors } from '../bench/fill.ts';
import { createMemory, place } from '../runner/memory.ts';
import type { Pool } from '../runner/pool.ts';
import type { Timed, Times } from '../runner/protocol.ts';
import type { Layout, Stage } from '../stages.ts';
import type { SpeedFinding } from './report.ts';
import { Fault } from './trial.ts';

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

/** Milliseconds of each round, per contestant, all on the same shape, in turn; and whether their output was right. */
export async function measure(
  pool: Pool,
  contestants: readonly Contestant[],
  shape: Shape,
  rounds: number,
  limit: number,
): Promise<Times[]> {
  const threads = Math.max(...contestants.map(({ workers }) => workers));
  const memories = new Map<Layout, ReturnType<typeof prepare>>();
  const timed: Timed[] = [];
  for (const { kernel, layout, workers } of contestants) {
    let place = memories.get(layout);
    if (!place) {
      place = prepare(layout, shape, threads);
      memories.set(layout, place);
    }
    const number = await pool.load(kernel.module, place.memory, threads, limit);
    timed.push({
      kernel: number,
      call: { ...place.placement, ...shape },
      workers,
      expected: place.expected,
    });
  }
  const times = await pool.time(timed, rounds + 1, limit);
  // The first round touches memory and wakes the threads.
  return times.map(({ milliseconds, wrong }) => ({ milliseconds: milliseconds.slice(1), wrong }));
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
  return { memory, placement, expected: expectedOutput(layout, shape) };
}

export interface SpeedOptions {
  shape: Shape;
  threads: number;
  rounds: number;
  limit: number;
}

/**
 * The learner's kernel against the reference and the solution.
 *
 * @throws Fault when its results on this larger shape are wrong
 */
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
  if (times[2]!.wrong) {
    throw new Fault(
      `on ${shape.tokens} x ${shape.columns} x ${shape.rows}, where speed is measured, the results are wrong: does something depend on the shape, or on an earlier call?`,
    );
  }
  const best = times.map(({ milliseconds }) => Math.min(...milliseconds));
  const [reference, solution, learner] = best as [number, number, number];
  const gmacs = (shape.rows * shape.columns * shape.tokens) / learner / 1e6;
  return judge(reference / learner, reference / solution, gmacs, workers, stage);
}

function judge(
  ratio: number,
  solution: number,
  gmacs: number,
  threads: number,
  { given }: Stage,
): SpeedFinding {
  const line = (share: number) => 1 + share * (solution - 1);
  const [pass, merit] = [line(PASS_SHARE), line(MERIT_SHARE)];
  const common = { ratio, solution, pass, merit, gmacs, threads };
  if (solution < LEAST_GAIN) {
    const note = given
      ? 'the reference itself'
      : "on this machine the course's kernel gains nothing over the reference now";
    return { ...common, verdict: 'not judged', note };
  }
  return { ...common, verdict: ratio >= merit ? 'merit' : ratio >= pass ? 'pass' : 'slow' };
}
