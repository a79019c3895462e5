/** Where the course lies, and where a learner's files go. */
import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PACKAGE_ROOT, builtModule } from '../../src/platform/node/package-root.ts';
import type { Stage } from './stages.ts';

/** The package's folder. */
export const PACKAGE = fileURLToPath(PACKAGE_ROOT);
export const LAB = join(PACKAGE, 'lab');
export const KIT = join(LAB, 'kit');

/** A script of the lab that runs in a thread or process of its own: Node 20 loads only compiled ones. */
export function compiled(path: string): URL {
  return builtModule(`lab/tool/${path}`);
}

/** Where exercises are worked on: `lab/work` of a checkout; of the current folder where nibble is installed. */
export function workFolder(given?: string): string {
  if (given !== undefined) return given;
  const installed =
    PACKAGE.split(sep).includes('node_modules') || !existsSync(join(PACKAGE, 'tsconfig.json'));
  return join(installed ? process.cwd() : PACKAGE, 'lab', 'work');
}

/** The file that a learner edits. */
export function workFile(folder: string, { id }: Stage): string {
  return join(folder, `${id}.ts`);
}

/** What `start` copies; of a reference, the kernel itself. */
export function exerciseFile({ id, given }: Stage): string {
  return join(LAB, id, given ? 'kernel.ts' : 'exercise.ts');
}

export function solutionFile(stage: Stage): string {
  return stage.given ? exerciseFile(stage) : join(LAB, 'solutions', `${stage.id}.ts`);
}

export function readmeFile({ id }: Stage): string {
  return join(LAB, id, 'README.md');
}
