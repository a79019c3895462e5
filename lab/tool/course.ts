/** The learner's way through the course: list, start, hint, solution, reset. */
import { constants } from 'node:fs';
import { access, copyFile, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './errors.ts';
import { LAB, exerciseFile, readmeFile, solutionFile, workFile } from './paths.ts';
import { changeProgress, readProgress } from './progress.ts';
import { STAGES, type Stage } from './stages.ts';

export interface StageState {
  stage: Stage;
  state: 'given' | 'new' | 'started' | 'wrong' | 'right' | 'pass' | 'merit';
  /** How often faster than the reference, at the last check. */
  ratio?: number;
}

async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

/** All stages, and how far the learner is with each. */
export async function listStages(work: string): Promise<StageState[]> {
  const { checks } = await readProgress(work);
  return Promise.all(
    STAGES.map(async (stage): Promise<StageState> => {
      if (stage.given) return { stage, state: 'given' };
      const check = checks[stage.id];
      if (!(await exists(workFile(work, stage)))) return { stage, state: 'new' };
      if (!check) return { stage, state: 'started' };
      if (!check.correct) return { stage, state: 'wrong' };
      const verdict = check.speed?.verdict;
      const state = verdict === 'merit' || verdict === 'pass' ? verdict : 'right';
      return { stage, state, ratio: check.speed?.ratio };
    }),
  );
}

/**
 * Copies the exercise into the work folder. What is there is kept, or with `replace` moved to FILE.old (FILE.old2 ..).
 *
 * @throws LabError ERR_LAB_EXISTS
 */
export async function startStage(stage: Stage, work: string, { replace = false } = {}): Promise<string> {
  const file = workFile(work, stage);
  if (await exists(file)) {
    if (!replace) {
      throw new LabError(
        'ERR_LAB_EXISTS',
        `${file} is there already: go on with it, or start anew with "nibble lab reset ${stage.id}"`,
      );
    }
    await rename(file, await freeName(`${file}.old`));
  }
  await mkdir(work, { recursive: true });
  await copyFile(exerciseFile(stage), file);
  return file;
}

/** The name, with a number behind it where one is there already. */
async function freeName(path: string): Promise<string> {
  if (!(await exists(path))) return path;
  for (let number = 2; ; number++) if (!(await exists(`${path}${number}`))) return `${path}${number}`;
}

/** The stage's README. */
export function readStage(stage: Stage): Promise<string> {
  return readFile(readmeFile(stage), 'utf8');
}

/** The next hint that was not shown yet (then the last one again), or hint `number`. */
export async function nextHint(
  stage: Stage,
  work: string,
  number?: number,
): Promise<{ number: number; of: number; text: string }> {
  const text = await readFile(join(LAB, stage.id, 'hints.md'), 'utf8');
  const hints = [...text.matchAll(/^\d+\. (.+)$/gm)].map((match) => match[1]!);
  const { hints: shown } = await readProgress(work);
  const wanted = Math.min(number ?? (shown[stage.id] ?? 0) + 1, hints.length);
  await changeProgress(work, (progress) => {
    progress.hints[stage.id] = Math.max(progress.hints[stage.id] ?? 0, wanted);
  });
  return { number: wanted, of: hints.length, text: hints[wanted - 1]! };
}

/** The text of the course's own kernel. */
export function readSolution(stage: Stage): Promise<string> {
  return readFile(solutionFile(stage), 'utf8');
}
