/** Kernels of the lab for the engine: `nibble generate --kernel lab:03-simd`. */
import { join } from 'node:path';
import type { LinearKernel } from '../../src/engine/linear.ts';
import { UsageError } from '../../src/errors.ts';
import { compileFile } from './compile/compile.ts';
import { solutionFile, workFile, workFolder } from './paths.ts';
import { stageOf, type Stage } from './stages.ts';

/** Where kernels come from: the learner's work, or the course. */
export const SOURCES = ['lab', 'solution'] as const;
export type Source = (typeof SOURCES)[number];

/** The file of a stage's kernel; a reference has only one. */
export function kernelFile(source: Source, stage: Stage, work: string): string {
  return source === 'solution' || stage.given ? solutionFile(stage) : workFile(work, stage);
}

/**
 * A kernel for the engine from its name: `lab:STAGE` is the learner's, `solution:STAGE` the course's.
 *
 * @throws UsageError for what is no such name; LabError as compileFile
 */
export async function linearKernel(name: string, work = workFolder()): Promise<LinearKernel> {
  const [, source, id] = /^(\w+):(.+)$/.exec(name) ?? [];
  if (!SOURCES.some((known) => known === source)) {
    throw new UsageError(
      `--kernel is "${name}": it must be lab:STAGE or solution:STAGE, such as lab:03-simd`,
    );
  }
  const stage = stageOf(id!);
  const { layout, workers } = stage;
  if (layout === 'int8') {
    throw new UsageError(
      `--kernel ${name}: the W8A8 track has no model; its kernels are checked and timed alone`,
    );
  }
  const { module } = await compileFile(kernelFile(source as Source, stage, work), {
    cacheDir: join(work, '.cache'),
    // Beside the engine's modules V8 is left alone, but for Node 20, whose baseline compiler gets dot products wrong.
    optimized: process.versions.node.startsWith('20.'),
  });
  return { name, module, layout, workers };
}
