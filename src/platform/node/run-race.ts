/**
 * Runs the race in child processes. A variant whose turn kills or hangs the child is out; what was measured
 * before is kept, and the others go on in a new child.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Variant, VariantResult } from '../../kernels/race.ts';
import { builtModule } from './package-root.ts';
import type { RaceEvent, RaceJob } from './race-child.ts';

const CHILD = builtModule('src/platform/node/race-child');
const BUDGET_MS = 90;
const TIME_LIMIT_MS = 10_000;
/** Set in children: a program that takes itself for Node (see `canSpawn`) must not race again. */
const MARK = 'NIBBLE_RACE_CHILD';

export interface RaceOptions {
  kernels: URL;
  variants: readonly Variant[];
  /** V8 flags for the child beside those of this process; and what the race may take, in milliseconds. */
  flags?: readonly string[];
  budget?: number;
  /** Script to run instead of race-child.js, and its time limit: for tests. */
  child?: URL;
  timeLimit?: number;
}

export interface RaceOutcome {
  results: VariantResult[];
  /** What the (last) child spent on the race, and all of it with starting processes. */
  raceMs: number;
  totalMs: number;
}

/** There is no Node here that could be started: bundled programs, permissions, ... */
export class NoChildError extends Error {}

export async function runRace(options: RaceOptions): Promise<RaceOutcome> {
  const start = performance.now();
  const results = new Map<Variant, VariantResult>();
  let left = [...options.variants];
  let raceMs = 0;
  while (left.length > 0) {
    const run = await runChild(left, options);
    for (const result of run.results) merge(results, result);
    raceMs = run.milliseconds ?? raceMs;
    if (run.milliseconds !== undefined) break;
    if (run.turn === undefined) throw new NoChildError(`the race's process ${run.end}`);
    merge(results, { variant: run.turn, ok: false, reason: run.end });
    left = left.filter((variant) => results.get(variant)?.ok !== false);
    if (left.every((variant) => results.get(variant)?.gmacs)) break;
    if (!left.includes('simd')) {
      const reason = 'there is no plain variant to check it against';
      for (const variant of left) merge(results, { variant, ok: false, reason });
      break;
    }
  }
  return {
    results: options.variants.map(
      (variant) => results.get(variant) ?? { variant, ok: false, reason: 'not measured' },
    ),
    raceMs,
    totalMs: performance.now() - start,
  };
}

/** A failure stays one; of two measurements, the better ones count. */
function merge(results: Map<Variant, VariantResult>, result: VariantResult): void {
  const old = results.get(result.variant);
  if (old && !old.ok) return;
  const a = old?.gmacs,
    b = result.gmacs;
  const gmacs = a && b ? { gemv: Math.max(a.gemv, b.gemv), gemm: Math.max(a.gemm, b.gemm) } : (b ?? a);
  results.set(result.variant, { ...result, ...(gmacs && { gmacs }) });
}

interface ChildRun {
  results: VariantResult[];
  /** Whose turn it was last. */
  turn?: Variant;
  /** How the process ended. */
  end: string;
  /** Present when the race was run to its end. */
  milliseconds?: number;
}

function runChild(variants: Variant[], options: RaceOptions): Promise<ChildRun> {
  const job: RaceJob = { kernels: options.kernels.href, variants, budget: options.budget ?? BUDGET_MS };
  const limit = options.timeLimit ?? TIME_LIMIT_MS;
  const child = start(options.child ?? CHILD, job, options.flags ?? []);
  return new Promise((resolve, reject) => {
    const run: ChildRun = { results: [], end: '' };
    let text = '',
      late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limit);
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop()!;
      for (const line of lines) take(run, line, variants);
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(new NoChildError(`cannot start ${process.execPath}: ${error.message}`, { cause: error }));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (late) run.end = `did not finish within ${limit / 1000} s`;
      else run.end = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
      resolve(run);
    });
  });
}

/** Throws NoChildError where starting Node is not possible or would start something else. */
function start(script: URL, job: RaceJob, flags: readonly string[]): ChildProcess {
  if (!canSpawn()) throw new NoChildError('this program is not a plain Node that could be started again');
  if (!existsSync(script)) throw new NoChildError(`${fileURLToPath(script)} is missing`);
  // Loaders, debuggers and the like of the parent do not belong there: NODE_OPTIONS is dropped.
  const env: NodeJS.ProcessEnv = { ...process.env, [MARK]: '1', NODE_OPTIONS: '' };
  const args = [...compilerFlags(), ...flags, fileURLToPath(script), JSON.stringify(job)];
  try {
    return spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true });
  } catch (error) {
    throw new NoChildError(`cannot start ${process.execPath}: ${String(error)}`, { cause: error });
  }
}

/** Flags of this process that change what its WebAssembly code looks like: the child needs the same. */
export function compilerFlags(): string[] {
  const given = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)];
  return given.filter((flag) => /^--[\w-]*(wasm|liftoff|turboshaft)[\w-]*(=\S+)?$/.test(flag));
}

/** In Electron and single-file programs process.execPath is the program itself, not Node. */
function canSpawn(): boolean {
  if (process.env[MARK]) return false;
  if (process.versions['electron'] && !process.env['ELECTRON_RUN_AS_NODE']) return false;
  return !process.getBuiltinModule?.('node:sea')?.isSea();
}

/** One line of the child's; what is not an event (a warning, say) is passed over. */
function take(run: ChildRun, line: string, variants: readonly Variant[]): void {
  let event: RaceEvent;
  try {
    event = JSON.parse(line) as RaceEvent;
  } catch {
    return;
  }
  if (event?.event === 'done') run.milliseconds = event.milliseconds;
  else if (event?.event && variants.includes(event.variant)) {
    const { variant } = event;
    run.turn = variant;
    if (event.event === 'timed') run.results.push({ variant, ok: true, gmacs: event.gmacs });
    if (event.event === 'failed') run.results.push({ variant, ok: false, reason: event.reason });
  }
}
