/** The point scheme of docs/lab-instructors.md. */
import type { CheckReport } from '../check/report.ts';
import { STAGES } from '../stages.ts';

/** Of a stage: for right results, in addition for a speed that passes, and for merit. */
export const POINTS = { right: 5, pass: 3, merit: 2 } as const;

/** Stages that are graded: what is given is not. */
export const GRADED = STAGES.filter(({ given }) => !given);

export function pointsOf({ correct, speed }: CheckReport): number {
  if (!correct) return 0;
  // Where the machine shows no gain, speed is nobody's fault.
  const verdict = speed?.verdict === 'not judged' ? 'merit' : speed?.verdict;
  if (verdict === 'merit') return POINTS.right + POINTS.pass + POINTS.merit;
  return POINTS.right + (verdict === 'pass' ? POINTS.pass : 0);
}
