/** What a learner has done so far, kept beside the work: `results.json`. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArmResults } from './arm/results.ts';
import type { BenchResults } from './bench/results.ts';
import type { CheckReport } from './check/report.ts';
import { LabError } from './errors.ts';

export interface Progress {
  /** The last check of each stage. */
  checks: Record<string, CheckReport & { at: string }>;
  /** Hints shown of each stage. */
  hints: Record<string, number>;
  /** The last `bench`, and the last `bench --arm` in an emulator. */
  bench?: BenchResults;
  arm?: ArmResults;
}

const NAME = 'results.json';

export function progressFile(work: string): string {
  return join(work, NAME);
}

/** @throws LabError ERR_LAB_FILE when the file is damaged */
export async function readProgress(work: string): Promise<Progress> {
  const empty: Progress = { checks: {}, hints: {} };
  const file = progressFile(work);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return empty;
  try {
    return { ...empty, ...(JSON.parse(text) as Partial<Progress>) };
  } catch (error) {
    throw new LabError('ERR_LAB_FILE', `${file} is damaged: delete it, and check again`, { cause: error });
  }
}

export async function changeProgress(work: string, change: (progress: Progress) => void): Promise<void> {
  const progress = await readProgress(work);
  change(progress);
  await mkdir(work, { recursive: true });
  const file = progressFile(work);
  await writeFile(`${file}.${process.pid}`, `${JSON.stringify(progress, undefined, 2)}\n`);
  await rename(`${file}.${process.pid}`, file);
}
