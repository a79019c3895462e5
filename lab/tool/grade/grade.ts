/**
 * Grades what learners hand in. Their kernels are compiled here, with our options; a module that imports anything but the
 * memory is refused, and every call runs in a thread under a time limit.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { checkStage } from '../check/check.ts';
import type { SpeedOptions } from '../check/speed.ts';
import { LabError } from '../errors.ts';
import { workFile } from '../paths.ts';
import { stageOf } from '../stages.ts';
import { readHandin, type Handin } from './bundle.ts';
import { GRADED, pointsOf } from './points.ts';

export interface Grade {
  name: string;
  stage: string;
  /** `unreadable`: what was handed in could not be opened. */
  state: 'missing' | 'unreadable' | 'wrong' | 'right';
  /** How often faster than the reference, and the course's own. */
  ratio?: number;
  solution?: number;
  verdict?: string;
  /** Stage 09: percent above the engine's own kernel. */
  score?: number;
  points: number;
  /** What is wrong. */
  message: string;
}

export interface GradeOptions {
  threads: number;
  speed?: Partial<SpeedOptions>;
  limit?: number;
  onGrade?: (grade: Grade) => void;
}

/** One row for every stage of every hand-in. */
export async function grade(paths: readonly string[], options: GradeOptions): Promise<Grade[]> {
  const grades: Grade[] = [];
  const scratch = await mkdtemp(join(tmpdir(), 'nibble-grade-'));
  try {
    for (const path of paths) {
      const handin = await open(path);
      for (const { id } of GRADED) {
        const source = handin.kernels.get(id);
        const row =
          source === undefined
            ? nothing(handin, id)
            : await gradeKernel(handin.name, id, source, scratch, options);
        grades.push(row);
        options.onGrade?.(row);
      }
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return grades;
}

/** One bundle that cannot be read must not keep the others from being graded. */
async function open(path: string): Promise<Handin & { problem?: string }> {
  try {
    return await readHandin(path);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { name: basename(path, '.zip'), kernels: new Map(), refused: new Map(), problem: error.message };
  }
}

/** No kernel of this stage: it was not handed in, or not looked at. */
function nothing({ name, refused, problem }: Handin & { problem?: string }, stage: string): Grade {
  const message = problem ?? refused.get(stage);
  return {
    name,
    stage,
    state: message === undefined ? 'missing' : 'unreadable',
    points: 0,
    message: message ?? '',
  };
}

async function gradeKernel(
  name: string,
  id: string,
  source: string,
  work: string,
  { threads, speed = {}, limit }: GradeOptions,
): Promise<Grade> {
  const stage = stageOf(id);
  await mkdir(work, { recursive: true });
  await writeFile(workFile(work, stage), source);
  const report = await checkStage(stage, { work, threads, speed, limit });
  return {
    name,
    stage: id,
    state: report.correct ? 'right' : 'wrong',
    ratio: report.speed?.ratio,
    solution: report.speed?.solution,
    verdict: report.speed?.verdict,
    score: report.speed?.score,
    points: pointsOf(report),
    message: report.findings.find(({ ok }) => !ok)?.message ?? '',
  };
}

/** RFC 4180, with a total for each hand-in; what a spreadsheet would take for a formula is text. */
export function toCsv(grades: readonly Grade[]): string {
  const quote = (value: string | number | undefined) => {
    const text =
      value === undefined ? '' : typeof value === 'number' ? String(Number(value.toFixed(3))) : value;
    const safe = typeof value === 'string' && /^[=+\-@\t]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const line = (cells: readonly (string | number | undefined)[]) => cells.map(quote).join(',');
  const lines = [
    line(['name', 'stage', 'state', 'ratio', 'solution', 'verdict', 'score', 'points', 'message']),
  ];
  for (const one of grades) {
    lines.push(
      line([
        ...[one.name, one.stage, one.state, one.ratio, one.solution, one.verdict],
        ...[one.score, one.points, one.message],
      ]),
    );
  }
  for (const name of new Set(grades.map((one) => one.name))) {
    const total = grades.filter((one) => one.name === name).reduce((sum, { points }) => sum + points, 0);
    lines.push(line([name, 'total', '', undefined, undefined, '', undefined, total, '']));
  }
  return `${lines.join('\r\n')}\r\n`;
}
