/** What a check found. */
import type { Stage } from '../stages.ts';

/** One thing that was looked at; `message` says what is wrong, and what to do about it. */
export interface Finding {
  name: string;
  ok: boolean;
  message?: string;
}

/** Speed against the stage's reference, as ratios of the same run. */
export interface SpeedFinding {
  /** How often faster than the reference: this kernel, and the course's own. */
  ratio: number;
  solution: number;
  /** Ratios to reach. */
  pass: number;
  merit: number;
  /** Multiply-accumulates per second, in 10^9. */
  gmacs: number;
  threads: number;
  /** Stage 09: percent above the engine's own kernel, in the same run; below zero it has won. */
  score?: number;
  verdict: 'merit' | 'pass' | 'slow' | 'not judged';
  note?: string;
}

export interface CheckReport {
  stage: Stage['id'];
  file: string;
  /** Everything is right; speed apart. */
  correct: boolean;
  findings: Finding[];
  speed?: SpeedFinding;
  milliseconds: number;
}
