/**
 * Are the rows divided among the workers without races? A race seldom shows when a kernel just runs: so each worker
 * runs alone, on an output that holds a pattern, and what it wrote is compared with what the others wrote. Only then
 * all run at once, many times.
 */
import { createProblem, type Problem } from '../problems/index.ts';
import { checkResults } from './diagnose.ts';
import type { Subject } from './correctness.ts';
import { Fault, Trial, sameBits } from './trial.ts';

const SHAPE = { rows: 136, columns: 96, tokens: 2 };
const MOST_WORKERS = 8;
/** Runs at once, for each number of workers. */
const TIMES = 40;
/** The busiest worker's rows against the mean, with four workers: the remainder of chunks apart. */
const MOST_IMBALANCE = 2;

export async function checkWorkers(subject: Subject): Promise<void> {
  const problem = createProblem(subject.stage.layout, SHAPE, 'random', 11);
  const alone = await checkAlone(subject, problem);
  await checkTogether(subject, problem, alone);
}

/** Each worker alone. Returns the whole output. */
async function checkAlone(subject: Subject, problem: Problem): Promise<Float32Array> {
  let whole: Float32Array | undefined;
  for (let workers = 1; workers <= MOST_WORKERS; workers++) {
    const trial = await Trial.create({ ...subject, problem, workers });
    const sets: boolean[][] = [];
    let dynamic = false;
    for (let worker = 0; worker < workers; worker++) {
      trial.reset();
      await trial.run({ first: worker, last: worker + 1, workers });
      dynamic ||= trial.counter !== 0;
      sets.push(trial.written());
    }
    if (dynamic) await checkCounter(subject, trial, sets);
    else checkDivision(problem, sets);
    // One after the other they must make the same output, whatever they leave in their scratch.
    trial.reset();
    await trial.run({ first: 0, last: workers, workers });
    const output = trial.output();
    checkResults(
      problem,
      output,
      trial.written().map((changed) => !changed),
    );
    whole ??= output;
    if (!sameBits(whole, output)) {
      throw new Fault(
        `with ${workers} workers the results have other bits than with one: add up each row in one fixed order`,
      );
    }
  }
  return whole!;
}

/** A static division: what the workers write must be disjoint, complete, and about the same for each. */
function checkDivision({ rows, tokens }: Problem, sets: readonly boolean[][]): void {
  const workers = sets.length;
  const named = (i: number) => `row ${i % rows} of token ${Math.floor(i / rows)}`;
  for (let i = 0; i < rows * tokens; i++) {
    const writers = sets.flatMap((set, worker) => (set[i] ? [worker] : []));
    if (writers.length > 1) {
      throw new Fault(
        `a race: with ${workers} workers, workers ${writers.join(' and ')} both write ${named(i)}. Every row must have one owner: where one share ends, the next begins`,
      );
    }
    if (writers.length === 0) {
      throw new Fault(
        `with ${workers} workers nobody writes ${named(i)}: the shares leave a gap, or the remainder of the division is forgotten`,
      );
    }
  }
  if (workers !== 4) return;
  const counts = sets.map((set) => set.filter(Boolean).length);
  if (Math.max(...counts) > (MOST_IMBALANCE * rows * tokens) / workers) {
    throw new Fault(`four workers write ${counts.join(', ')} outputs: the work is not divided`);
  }
}

/** A dynamic division: alone, each worker takes all chunks; when none is left, it writes nothing. */
async function checkCounter(subject: Subject, trial: Trial, sets: readonly boolean[][]): Promise<void> {
  if (!subject.atomic) {
    throw new Fault(
      'a race: the shared counter is changed without an atomic instruction, so two workers can take the same chunk. Use nextChunk(counter) or atomic.add',
    );
  }
  sets.forEach((set, worker) => {
    if (set.every(Boolean)) return;
    throw new Fault(
      `worker ${worker}, alone with an untouched counter, does not take all chunks: rows that no chunk covers, or a division that is half static`,
    );
  });
  const workers = sets.length;
  trial.reset();
  await trial.run({ first: 0, last: 1, workers });
  const chunks = trial.counter - 1;
  if (chunks < 2)
    throw new Fault('there is only one chunk: the others have nothing to do. Make chunks of a few rows');
  trial.reset();
  trial.setCounter(chunks + 1);
  await trial.run({ first: workers - 1, last: workers, workers });
  if (trial.written().some(Boolean)) {
    throw new Fault(
      `a race: worker ${workers - 1} writes although no chunk is left: every row must belong to a chunk that was taken from the counter`,
    );
  }
}

/** All at once, on as many threads; the result must be the same bits every time. */
async function checkTogether(subject: Subject, problem: Problem, alone: Float32Array): Promise<void> {
  for (let workers = 2; workers <= MOST_WORKERS; workers++) {
    const trial = await Trial.create({ ...subject, problem, workers }, workers);
    for (const times of [1, TIMES]) {
      trial.reset();
      await trial.together(workers, times);
      if (!sameBits(alone, trial.output())) {
        throw new Fault(`a race: ${workers} workers at once make another result than one after the other`);
      }
    }
  }
}
