/**
 * `nibble lab bench --arm` where there is no ARM: V8's own ARM64 code runs in an emulator, and its instructions are
 * counted. Cycles are predictions of llvm-mca, never measured (tools/arm/README.md).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { NoEmulatorError, prepareCounting } from '../../../tools/arm/count.ts';
import { sourceOf } from '../bench/kernels.ts';
import { compileFile } from '../compile/compile.ts';
import { LabError } from '../errors.ts';
import { kernelFile } from '../kernel.ts';
import type { Stage } from '../stages.ts';
import { SHAPE, type Subject } from './call.ts';
import { ARM_NODE, CORES, EMULATED, PREDICTED_GHZ, countedOn } from './cores.ts';
import { countDivision } from './division.ts';
import { costOf, kernelRow } from './kernel-cost.ts';
import type { ArmResults } from './results.ts';
import { countTokens } from './tokens.ts';

export interface ArmOptions {
  stages: readonly Stage[];
  work: string;
  solutions: boolean;
  /** The model's file and name; undefined: kernels only. */
  model?: { path: string; name: string };
  /** Cores to emulate; default all, EMULATED. */
  cores?: readonly string[];
  onStep?: (line: string) => void;
}

/** @throws LabError ERR_LAB_ARM where there is no emulator, and none can be installed; as compileFile */
export async function benchArm(options: ArmOptions): Promise<ArmResults> {
  await prepareCounting({ nodeMajor: ARM_NODE, llvm: true }).catch((error: unknown) => {
    throw cannot(error);
  });
  const results: ArmResults = {
    version: 1,
    emulated: true,
    at: new Date().toISOString(),
    node: ARM_NODE,
    ghz: PREDICTED_GHZ,
    shape: SHAPE,
    kernels: [],
    divisions: [],
    tokens: [],
  };
  const folder = await mkdtemp(join(tmpdir(), 'nibble-arm-'));
  try {
    await inTurns(await jobs(await subjects(options, folder), options, results));
  } catch (error) {
    throw error instanceof LabError ? error : cannot(error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return sorted(results, options.stages);
}

async function subjects({ stages, work, solutions }: ArmOptions, folder: string): Promise<Subject[]> {
  const found: Subject[] = [];
  for (const stage of stages) {
    const source = sourceOf(stage, work, solutions);
    const wasm = join(folder, `${stage.id}.wasm`);
    const compiled = await compileFile(kernelFile(source, stage, work), { cacheDir: join(work, '.cache') });
    await writeFile(wasm, compiled.wasm);
    found.push({ stage, source, wasm });
  }
  return found;
}

type Job = () => Promise<void>;

async function jobs(
  all: readonly Subject[],
  { model, cores = EMULATED, onStep }: ArmOptions,
  { kernels, divisions, tokens }: ArmResults,
): Promise<Job[]> {
  const emulated = CORES.filter(({ cpu }) => cores.includes(cpu));
  const list: Job[] = [];
  for (const subject of all) {
    for (const core of emulated) {
      list.push(async () => {
        const same = CORES.filter((one) => countedOn(one, cores) === core.cpu);
        const cost = await costOf(subject, core, same);
        kernels.push(...same.map((one) => kernelRow(subject, one, cost)));
        onStep?.(
          `${subject.stage.id} on ${core.cpu}: ${cost.instructionsPer32Weights.toFixed(1)} instructions per 32 weights`,
        );
      });
    }
    if (subject.stage.workers === 'all') {
      list.push(async () => {
        divisions.push(...(await countDivision(subject, emulated[0]!)));
        onStep?.(`${subject.stage.id}: its workers`);
      });
    }
  }
  if (!model) return list;
  for (const subject of [undefined, ...all.filter(({ stage }) => stage.layout !== 'int8')]) {
    for (const core of emulated) {
      list.push(async () => {
        const row = await countTokens(subject, core, model);
        tokens.push(row);
        onStep?.(`${row.stage} on ${core.cpu}: ${row.decode.toFixed(1)} million instructions per token`);
      });
    }
  }
  return list;
}

/** As many at a time as there are processors: counts do not depend on what else runs. */
async function inTurns(list: readonly Job[]): Promise<void> {
  const left = list.values();
  const turn = async () => {
    for (const job of left) await job();
  };
  await Promise.all(Array.from({ length: Math.max(1, availableParallelism()) }, turn));
}

/** Jobs end in any order. */
function sorted(results: ArmResults, stages: readonly Stage[]): ArmResults {
  const stageAt = (name: string) => stages.findIndex(({ id }) => id === name.split(':').at(-1));
  const coreAt = (name: string) => CORES.findIndex(({ cpu }) => cpu === name);
  const order = (a: { stage: string; cpu: string }, b: { stage: string; cpu: string }) =>
    stageAt(a.stage) - stageAt(b.stage) || coreAt(a.cpu) - coreAt(b.cpu);
  results.kernels.sort(order);
  results.divisions.sort((a, b) => order(a, b) || a.workers - b.workers);
  results.tokens.sort(order);
  return results;
}

function cannot(error: unknown): LabError {
  const what =
    error instanceof NoEmulatorError ? 'ARM64 cannot be emulated here' : 'counting on ARM64 failed';
  return new LabError('ERR_LAB_ARM', `${what}: ${(error as Error).message} (see tools/arm/README.md)`, {
    cause: error,
  });
}
