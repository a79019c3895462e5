/**
 * `nibble lab bench --arm`: what a kernel costs on ARM, without one. V8's own ARM64 code runs in an emulator, and
 * instructions are counted; cycles are predictions of llvm-mca, never measured (tools/arm/README.md).
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compileFile } from '../compile/compile.ts';
import { LabError } from '../errors.ts';
import { sourceOf } from '../bench/kernels.ts';
import { kernelFile } from '../kernel.ts';
import { PACKAGE } from '../paths.ts';
import { activationBytes, weightBytes } from '../problems/index.ts';
import { place } from '../runner/memory.ts';
import type { Stage } from '../stages.ts';

const run = promisify(execFile);

/** Emulated cores, and the machines that they are known from. */
export const CORES = [
  { cpu: 'cortex-a76', machine: 'Raspberry Pi 5' },
  { cpu: 'cortex-a72', machine: 'Raspberry Pi 4' },
  { cpu: 'neoverse-n1', machine: 'Graviton2' },
] as const;
/** Cycles are predicted for its core, which is not emulated: the instructions are those of neoverse-n1. */
const GRAVITON3 = 'neoverse-v1';

export interface ArmRow {
  stage: string;
  cpu: string;
  machine: string;
  instructions: number;
  /** Per 32 weights of one row and one token. */
  per32Weights: number;
  sdot: number;
  /** Of the hot loop: PREDICTED 10^9 multiply-accumulates per second at 2.4 GHz, by core. */
  predicted: Record<string, number | null>;
}

/** How the work of a multithreaded stage falls to its workers, in instructions. */
export interface BalanceRow {
  stage: string;
  workers: number;
  perWorker: number[];
  /** Largest / mean. */
  balance: number;
  criticalPath: number;
}

interface KernelReport {
  instructions: number;
  instructionsPer32Weights: number;
  kinds: Record<string, number>;
  predicted: Record<string, { gmacs: number | null }>;
}

const SHAPE = { rows: 256, columns: 1024 };
/** Chunks of the counter are taken whole. */
export const MOST_IMBALANCE = 1.1;

export interface ArmOptions {
  stages: readonly Stage[];
  work: string;
  solutions: boolean;
  onRow?: (row: ArmRow) => void;
}

/** @throws LabError ERR_LAB_ARM where there is no emulator, and none can be installed */
export async function benchArm(options: ArmOptions): Promise<{ rows: ArmRow[]; balance: BalanceRow[] }> {
  await tool('setup.sh', ['kernel']);
  const folder = await mkdtemp(join(tmpdir(), 'nibble-arm-'));
  const rows: ArmRow[] = [];
  const balance: BalanceRow[] = [];
  try {
    for (const stage of options.stages) {
      const file = kernelFile(sourceOf(stage, options.work, options.solutions), stage, options.work);
      const wasm = join(folder, `${stage.id}.wasm`);
      await writeFile(wasm, (await compileFile(file, { cacheDir: join(options.work, '.cache') })).wasm);
      for (const { cpu, machine } of CORES) {
        const report = await count(wasm, stage, { cpu, worker: 0, workers: 1 });
        const row = rowOf(stage, cpu, machine, report);
        rows.push(row);
        options.onRow?.(row);
      }
      if (stage.workers === 'all') balance.push(...(await divide(wasm, stage, folder)));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { rows, balance };
}

function rowOf(stage: Stage, cpu: string, machine: string, report: KernelReport): ArmRow {
  return {
    stage: stage.id,
    cpu,
    machine,
    instructions: report.instructions,
    per32Weights: report.instructionsPer32Weights,
    sdot: report.kinds['sdot'] ?? 0,
    predicted: Object.fromEntries(Object.entries(report.predicted).map(([core, { gmacs }]) => [core, gmacs])),
  };
}

/**
 * Instructions of each of 1, 2 and 4 workers. A static division is counted worker by worker. Where chunks come from the
 * counter a worker alone takes them all; threads that run equally fast get every n-th, so one chunk's instructions and
 * their number say what each executes.
 */
async function divide(wasm: string, stage: Stage, folder: string): Promise<BalanceRow[]> {
  const cpu = CORES[0].cpu;
  const all = await count(wasm, stage, { cpu, worker: 0, workers: 1 });
  const last = await chunks(wasm, stage, folder);
  const rows: BalanceRow[] = [];
  for (const workers of [1, 2, 4]) {
    const perWorker: number[] = [];
    for (let worker = 0; worker < workers; worker++) {
      if (last === 0) perWorker.push((await count(wasm, stage, { cpu, worker, workers })).instructions);
      else {
        const taken = Math.floor((last - worker + workers - 1) / workers);
        perWorker.push(Math.round((all.instructions * taken) / last));
      }
    }
    const most = Math.max(...perWorker);
    const mean = perWorker.reduce((sum, one) => sum + one, 0) / workers;
    rows.push({ stage: stage.id, workers, perWorker, balance: most / mean, criticalPath: most });
  }
  return rows;
}

/** How many chunks a call takes from its counter; 0: its division is static. */
async function chunks(wasm: string, stage: Stage, folder: string): Promise<number> {
  const { placement, arguments: numbers } = callOf(stage, 0, 1);
  const script = join(folder, 'chunks.mjs');
  await writeFile(
    script,
    `import { readFileSync } from 'node:fs';
const memory = new WebAssembly.Memory({ initial: ${placement.bytes / 65536}, maximum: ${placement.bytes / 65536}, shared: true });
const module = new WebAssembly.Module(readFileSync(process.argv[2]));
new WebAssembly.Instance(module, { env: { memory } }).exports.linear(${numbers.join(', ')});
console.log(new Int32Array(memory.buffer)[${placement.counter / 4}]);
`,
  );
  const { stdout } = await run(process.execPath, [...relaxed(), script, wasm], { timeout: 60_000 });
  // The last taking finds none.
  return Math.max(0, Number(stdout) - 1);
}

/** Relaxed SIMD is behind a flag on Node 20. */
function relaxed(): string[] {
  return process.versions.node.startsWith('20.') ? ['--experimental-wasm-relaxed-simd'] : [];
}

function callOf(stage: Stage, worker: number, workers: number) {
  const shape = { ...SHAPE, tokens: stage.tokens };
  const placement = place({
    weights: weightBytes(stage.layout, shape),
    activations: activationBytes(stage.layout, shape),
    output: shape.rows * shape.tokens * 4,
    workers,
  });
  const { weights, activations, output, counter, scratch } = placement;
  const { rows, columns, tokens } = shape;
  const numbers = [weights, activations, output, rows, columns, tokens, worker, workers, counter, scratch];
  return { placement, arguments: numbers, macs: rows * columns * tokens };
}

async function count(
  wasm: string,
  stage: Stage,
  { cpu, worker, workers }: { cpu: string; worker: number; workers: number },
): Promise<KernelReport> {
  const { placement, arguments: numbers, macs } = callOf(stage, worker, workers);
  const models = cpu === 'cortex-a72' ? 'cortex-a72' : `neoverse-n1,${GRAVITON3}`;
  const stdout = await tool(
    'kernel.py',
    [
      wasm,
      'linear',
      ...numbers.map(String),
      '--macs',
      String(macs),
      '--cpu',
      cpu,
      '--models',
      models,
      '--json',
    ],
    { PAGES: String(placement.bytes / 65536) },
  );
  return JSON.parse(stdout) as KernelReport;
}

async function tool(name: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const path = join(PACKAGE, 'tools', 'arm', name);
  try {
    const { stdout } = await run(path, args, {
      env: { ...process.env, ...env },
      maxBuffer: 2 ** 26,
      timeout: 600_000,
    });
    return stdout;
  } catch (error) {
    const text = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? String(error);
    throw new LabError('ERR_LAB_ARM', `ARM64 cannot be emulated here: ${text} (see tools/arm/README.md)`, {
      cause: error,
    });
  }
}

export function armTable({ rows }: { rows: readonly ArmRow[] }): { columns: string[]; rows: string[][] } {
  return {
    columns: ['stage', 'core', 'instructions per 32 weights', 'SDOT', 'PREDICTED GMAC/s at 2.4 GHz'],
    rows: rows.map(({ stage, cpu, machine, per32Weights, sdot, predicted }) => [
      stage,
      `${cpu} (${machine})`,
      per32Weights.toFixed(1),
      sdot > 0 ? 'yes' : 'no',
      Object.entries(predicted)
        .map(([core, rate]) => `${core === GRAVITON3 ? 'Graviton3' : core} ${rate?.toFixed(1) ?? '?'}`)
        .join(', '),
    ]),
  };
}

export function balanceTable(balance: readonly BalanceRow[]): { columns: string[]; rows: string[][] } {
  return {
    columns: ['stage', 'workers', 'instructions of each', 'max / mean', 'critical path'],
    rows: balance.map((row) => [
      row.stage,
      String(row.workers),
      row.perWorker.join(', '),
      `${row.balance.toFixed(2)}${row.balance > MOST_IMBALANCE ? ' (more than 1.1)' : ''}`,
      String(row.criticalPath),
    ]),
  };
}
