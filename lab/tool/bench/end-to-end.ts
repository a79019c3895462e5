/** A stage's kernel inside the engine: what a learner's work does for a real model. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LabError } from '../errors.ts';
import { compiled } from '../paths.ts';
import type { EndToEndRow } from './results.ts';

export interface EndToEndRequest {
  /** The model's file, and its name for the table. */
  path: string;
  model: string;
  /** `lab:STAGE` or `solution:STAGE`; undefined: the engine's own kernels. */
  kernel?: string;
  work: string;
  threads: number;
  promptTokens: number;
  generatedTokens: number;
  repeats: number;
}

const LIMIT_MS = 300_000;

/**
 * Runs the model in a child process: a kernel that damages memory or never ends must not take the bench with it.
 *
 * @throws LabError ERR_LAB_RUN
 */
export async function benchEndToEnd(stage: string, request: EndToEndRequest): Promise<EndToEndRow> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(compiled('bench/end-to-end-child')), JSON.stringify(request)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    },
  );
  let out = '';
  let problems = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (problems += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    const why = code === null ? `it took more than ${LIMIT_MS / 1000} s` : lastLine(problems);
    throw new LabError(
      'ERR_LAB_RUN',
      `the model did not run with ${request.kernel ?? 'its own kernels'}: ${why}`,
    );
  }
  return { stage, ...(JSON.parse(out) as Omit<EndToEndRow, 'stage'>) };
}

/** The line of an error's text that says what it is. */
function lastLine(text: string): string {
  const lines = text.split('\n').filter((line) => /Error|error/.test(line));
  return (lines[0] ?? text.trim().split('\n').at(-1) ?? '').trim();
}
