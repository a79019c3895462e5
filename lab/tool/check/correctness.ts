/** Results on many shapes and values, in memories whose every other byte is watched. */
import { VALUES, createProblem, type Problem, type Shape, type Values } from '../problems/index.ts';
import type { Buffer3 } from '../runner/memory.ts';
import type { Pool } from '../runner/pool.ts';
import type { Stage } from '../stages.ts';
import { checkResults } from './diagnose.ts';
import { Fault, PATTERNS, Trial, sameBits } from './trial.ts';

export interface Subject {
  stage: Stage;
  module: WebAssembly.Module;
  /** The module has atomic read-modify-write instructions. */
  atomic: boolean;
  pool: Pool;
  /** Milliseconds that one call may take. */
  limit: number;
}

/** One block; odd numbers of blocks, groups and tokens; more than a stretch of 16 blocks. */
const SHAPES: readonly Shape[] = [
  { rows: 8, columns: 32, tokens: 1 },
  { rows: 16, columns: 64, tokens: 1 },
  { rows: 24, columns: 96, tokens: 2 },
  { rows: 40, columns: 160, tokens: 5 },
  { rows: 104, columns: 576, tokens: 1 },
  { rows: 64, columns: 1536, tokens: 4 },
];

/** Problems for a stage: all values on a middle shape, ordinary ones on the others. */
function problems({ layout }: Stage): Problem[] {
  const middle = SHAPES[3]!;
  const cases: [Shape, Values][] = [
    ...SHAPES.map((shape): [Shape, Values] => [shape, 'random']),
    ...VALUES.filter((values) => values !== 'random').map((values): [Shape, Values] => [middle, values]),
    [SHAPES[5]!, 'extreme'],
  ];
  return cases.map(([shape, values], i) => createProblem(layout, shape, values, 1 + i));
}

/** One worker does everything: the results, and that nothing else in memory plays a part or changes. */
export async function checkCorrectness(subject: Subject): Promise<void> {
  for (const problem of problems(subject.stage)) {
    const outputs: Float32Array[] = [];
    const changed: boolean[][] = [];
    for (const pattern of PATTERNS) {
      const trial = await Trial.create({ ...subject, problem, pattern });
      await trial.run();
      outputs.push(trial.output());
      changed.push(trial.written());
    }
    const [first, second] = outputs as [Float32Array, Float32Array];
    // A sum that starts from NaN keeps its bits: only what no pattern shows to be written is not.
    const untouched = changed[0]!.map((one, i) => !one && !changed[1]![i]);
    if (!untouched.includes(true) && !sameBits(first, second)) {
      throw new Fault(
        'the result depends on what the output, or memory around the buffers, held before the call: it reads what nobody wrote. Does a sum start from the old output, or a load reach beyond its buffer?',
      );
    }
    checkResults(problem, first, untouched);
  }
}

/** Each buffer in turn ends where the memory ends. */
export async function checkBounds(subject: Subject): Promise<void> {
  for (const shape of [SHAPES[0]!, SHAPES[2]!, SHAPES[4]!]) {
    const problem = createProblem(subject.stage.layout, shape, 'random', 7);
    for (const last of ['weights', 'activations', 'output'] as const satisfies Buffer3[]) {
      const trial = await Trial.create({ ...subject, problem, last });
      await trial.run();
      checkResults(problem, trial.output(), []);
    }
  }
}
