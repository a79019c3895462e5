/** Kernels of several stages on several shapes, in turn: GOP/s and GB/s. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compileFile, type CompiledKernel } from '../compile/compile.ts';
import { measure, type Contestant } from '../check/speed.ts';
import { kernelFile, type Source } from '../kernel.ts';
import { workFile } from '../paths.ts';
import { weightBytes } from '../problems/index.ts';
import { Pool } from '../runner/pool.ts';
import { STAGES, type Stage } from '../stages.ts';
import { engineSpeed } from './opponent.ts';
import type { KernelRow } from './results.ts';
import { withTokens, type NamedShape } from './shapes.ts';

export interface KernelBenchOptions {
  stages: readonly Stage[];
  shapes: readonly NamedShape[];
  /** The course's kernels instead of the learner's. */
  solutions: boolean;
  work: string;
  threads: number;
  rounds: number;
  onRow?: (row: KernelRow) => void;
}

/** A call on the largest shape takes the plainest kernel a tenth of a second. */
const LIMIT_MS = 120_000;

/** Whose kernel of a stage is timed: the learner's, where there is one. */
export function sourceOf(stage: Stage, work: string, solutions: boolean): Source {
  return solutions || stage.given || !existsSync(workFile(work, stage)) ? 'solution' : 'lab';
}

/** Gains are counted from the stage before: it is timed as well. In the course's order. */
function withPrevious(stages: readonly Stage[]): readonly Stage[] {
  const wanted = new Set(stages.flatMap(({ id, previous }) => [id, previous]));
  return STAGES.filter(({ id }) => wanted.has(id));
}

/**
 * Times the stages; on each shape those with as many tokens take turns.
 *
 * @throws LabError as compileFile, for a kernel that does not compile
 */
export async function benchKernels(options: KernelBenchOptions): Promise<KernelRow[]> {
  const { stages, work, solutions, threads } = options;
  const entries: { stage: Stage; source: Source; kernel: CompiledKernel }[] = [];
  for (const stage of withPrevious(stages)) {
    const source = sourceOf(stage, work, solutions);
    const cacheDir = join(work, '.cache');
    entries.push({ stage, source, kernel: await compileFile(kernelFile(source, stage, work), { cacheDir }) });
  }
  const rows: KernelRow[] = [];
  const pool = new Pool();
  try {
    for (const shape of options.shapes) {
      for (const tokens of new Set(entries.map(({ stage }) => stage.tokens))) {
        const same = entries.filter(({ stage }) => stage.tokens === tokens);
        const contestants = same.map(({ stage, kernel }): Contestant => {
          return { kernel, layout: stage.layout, workers: stage.workers === 'all' ? threads : 1 };
        });
        const times = await measure(pool, contestants, withTokens(shape, tokens), options.rounds, LIMIT_MS);
        for (const [i, { stage, source }] of same.entries()) {
          const { milliseconds, wrong } = times[i]!;
          const best = Math.min(...milliseconds);
          const row = rowOf(stage, source, shape, contestants[i]!.workers, best);
          if (wrong) row.wrong = true;
          if (stage.opponent) row.opponentGops = await engineSpeed(shape);
          rows.push(row);
          options.onRow?.(row);
        }
      }
    }
  } finally {
    await pool.close();
  }
  return rows;
}

function rowOf(
  stage: Stage,
  kernel: Source,
  shape: NamedShape,
  workers: number,
  milliseconds: number,
): KernelRow {
  const sizes = withTokens(shape, stage.tokens);
  return {
    stage: stage.id,
    kernel,
    shape: shape.name,
    ...sizes,
    workers,
    milliseconds,
    gops: (2 * sizes.rows * sizes.columns * sizes.tokens) / milliseconds / 1e6,
    gbs: weightBytes(stage.layout, sizes) / milliseconds / 1e6,
  };
}
