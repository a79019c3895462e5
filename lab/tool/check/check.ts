/** `nibble lab check`: everything that is looked at, in the order in which a learner should mend it. */
import { join } from 'node:path';
import { compileFile, type CompiledKernel } from '../compile/compile.ts';
import { engineSpeed } from '../bench/opponent.ts';
import { scoreAgainst } from '../bench/score.ts';
import { LabError } from '../errors.ts';
import { solutionFile, workFile } from '../paths.ts';
import { Pool } from '../runner/pool.ts';
import { referenceOf, type Stage } from '../stages.ts';
import { checkBounds, checkCorrectness, type Subject } from './correctness.ts';
import type { CheckReport, Finding } from './report.ts';
import { checkSpeed, type SpeedOptions } from './speed.ts';
import { Fault } from './trial.ts';
import { checkWorkers } from './workers.ts';

export interface CheckOptions {
  /** Folder of the learner's files. */
  work: string;
  /** The kernel, where it is not the stage's file in `work`. */
  file?: string;
  threads: number;
  /** Without it, speed is not looked at. */
  speed?: Partial<SpeedOptions>;
  /** Milliseconds that a single call on a small problem may take. */
  limit?: number;
  onFinding?: (finding: Finding) => void;
}

/** Small problems take well under a millisecond. */
const CALL_LIMIT_MS = 3000;
const SPEED_LIMIT_MS = 8000;
const SPEED_ROUNDS = 12;

/** A call that takes the reference about three milliseconds. */
function timedShape({ tokens }: Stage): SpeedOptions['shape'] {
  return tokens > 1 ? { rows: 512, columns: 1024, tokens } : { rows: 4096, columns: 1024, tokens };
}

/**
 * Checks a learner's kernel. What is wrong with it is in the report; errors are for what keeps a check from being done.
 *
 * @throws LabError ERR_LAB_FILE, ERR_NO_ASSEMBLYSCRIPT
 */
export async function checkStage(stage: Stage, options: CheckOptions): Promise<CheckReport> {
  const started = performance.now();
  const file = options.file ?? workFile(options.work, stage);
  const findings: Finding[] = [];
  const note = (finding: Finding) => {
    findings.push(finding);
    options.onFinding?.(finding);
  };
  const report = (speed?: CheckReport['speed']): CheckReport => ({
    stage: stage.id,
    file,
    correct: findings.every(({ ok }) => ok),
    findings,
    speed,
    milliseconds: performance.now() - started,
  });

  const cacheDir = join(options.work, '.cache');
  const learner = await compileLearner(file, cacheDir, note);
  if (!learner) return report();
  const pool = new Pool();
  try {
    const subject: Subject = { stage, ...learner, pool, limit: options.limit ?? CALL_LIMIT_MS };
    const looks: [string, (subject: Subject) => Promise<void>][] = [
      ['results', checkCorrectness],
      ['bounds', checkBounds],
    ];
    if (stage.workers === 'all') looks.push(['workers', checkWorkers]);
    for (const [name, look] of looks) {
      const finding = await findingOf(name, () => look(subject));
      note(finding);
      // What comes after would fail for the same reason.
      if (!finding.ok) return report();
    }
    if (!options.speed) return report();
    try {
      return report(await speedOf(stage, learner, pool, options, cacheDir));
    } catch (error) {
      if (!(error instanceof Fault || misbehaved(error))) throw error;
      note({ name: 'speed', ok: false, message: error.message });
      return report();
    }
  } finally {
    await pool.close();
  }
}

/** It trapped or did not end. */
function misbehaved(error: unknown): error is LabError {
  return error instanceof LabError && ['ERR_LAB_TIME', 'ERR_LAB_TRAP'].includes(error.code);
}

async function compileLearner(
  file: string,
  cacheDir: string,
  note: (finding: Finding) => void,
): Promise<CompiledKernel | undefined> {
  try {
    const kernel = await compileFile(file, { cacheDir });
    note({ name: 'compiles', ok: true });
    return kernel;
  } catch (error) {
    const told = ['ERR_LAB_COMPILE', 'ERR_LAB_MODULE', 'ERR_LAB_TIME'];
    if (!(error instanceof LabError && told.includes(error.code))) throw error;
    note({ name: 'compiles', ok: false, message: error.message });
    return undefined;
  }
}

async function findingOf(name: string, look: () => Promise<void>): Promise<Finding> {
  try {
    await look();
    return { name, ok: true };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { name, ok: false, message: error.message };
  }
}

async function speedOf(
  stage: Stage,
  learner: CompiledKernel,
  pool: Pool,
  { threads, speed }: CheckOptions,
  cacheDir: string,
): Promise<CheckReport['speed']> {
  const [reference, solution] = await Promise.all(
    [referenceOf(stage), stage].map((one) => compileFile(solutionFile(one), { cacheDir })),
  );
  const options = {
    shape: timedShape(stage),
    threads,
    rounds: SPEED_ROUNDS,
    limit: SPEED_LIMIT_MS,
    ...speed,
  };
  // Before and after: what disturbs the machine for a while must not decide who wins.
  const opponent = async () => (stage.opponent ? engineSpeed(options.shape) : 0);
  const before = await opponent();
  const found = await checkSpeed(
    pool,
    stage,
    { reference: reference!, solution: solution!, learner },
    options,
  );
  const best = Math.max(before, await opponent());
  return best > 0 ? { ...found, score: scoreAgainst(2 * found.gmacs, best) } : found;
}
