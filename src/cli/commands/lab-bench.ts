/** `nibble lab bench`: called and shown; what it does is in lab/tool. */
import { basename, join } from 'node:path';
import type { ArmResults } from '../../../lab/tool/arm/results.ts';
import type { BenchResults } from '../../../lab/tool/bench/results.ts';
import type { Progress } from '../../../lab/tool/progress.ts';
import type { Stage } from '../../../lab/tool/stages.ts';
import { UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { checkWritable, writeOutput } from '../output.ts';
import { tableText } from '../table.ts';

export interface BenchFlags {
  work?: string;
  json?: boolean;
  threads?: number;
  model?: string;
  tiny?: boolean;
  solutions?: boolean;
  endToEnd: boolean;
  rounds: number;
  out?: string;
  chart?: string;
  offline?: boolean;
  arm?: boolean;
}

const PROMPT_TOKENS = 128;
const GENERATED_TOKENS = 48;
const REPEATS = 3;

export async function benchStages(
  context: CliContext,
  names: readonly string[],
  flags: BenchFlags,
): Promise<void> {
  if (flags.tiny && flags.model !== undefined)
    throw new UsageError('--tiny and --model contradict each other');
  const { STAGES, stageOf } = await import('../../../lab/tool/stages.ts');
  const { workFolder } = await import('../../../lab/tool/paths.ts');
  const { armMeans } = await import('../../../lab/tool/arm/cores.ts');
  const work = workFolder(flags.work);
  const stages: readonly Stage[] =
    names.length > 0 ? names.map(stageOf) : STAGES.filter(({ layout }) => layout !== 'int8');
  if (flags.out !== undefined) await checkWritable(flags.out);
  if (flags.arm && armMeans() === 'emulate') return countOnArm(context, stages, work, flags);
  await measureHere(context, stages, work, flags);
}

async function measureHere(
  context: CliContext,
  stages: readonly Stage[],
  work: string,
  flags: BenchFlags,
): Promise<void> {
  const { runBench } = await import('../../../lab/tool/bench/bench.ts');
  const { writeCharts } = await import('../../../lab/tool/bench/files.ts');
  const { defaultThreads } = await import('../../platform/node/cpu.ts');
  const results = await runBench({
    stages,
    work,
    threads: flags.threads ?? defaultThreads(),
    solutions: flags.solutions ?? false,
    model: await modelOf(context, flags),
    endToEnd: flags.endToEnd,
    rounds: flags.rounds,
    promptTokens: PROMPT_TOKENS,
    generatedTokens: GENERATED_TOKENS,
    repeats: REPEATS,
    onKernel: (row) => context.log(`${row.stage} on ${row.shape}: ${row.gops.toFixed(1)} GOP/s`),
    onEndToEnd: (row) => context.log(`${row.stage}: ${row.decodeTokensPerSecond.toFixed(1)} tok/s`),
  });
  await keep(work, { bench: results }, flags);
  if (flags.chart !== undefined) await writeCharts(flags.chart, results);
  if (flags.json) context.json(results);
  else context.print(await shown(results));
}

async function countOnArm(
  context: CliContext,
  stages: readonly Stage[],
  work: string,
  flags: BenchFlags,
): Promise<void> {
  if (flags.chart !== undefined) {
    throw new UsageError(
      '--chart draws what was measured: for counts on ARM, use "lab report --merge FILE --to CHART"',
    );
  }
  const { benchArm } = await import('../../../lab/tool/arm/bench.ts');
  const results = await benchArm({
    stages,
    work,
    solutions: flags.solutions ?? false,
    // The embedded model unless another one is asked for: an emulator is slow.
    model: flags.endToEnd ? await modelOf(context, { ...flags, tiny: flags.model === undefined }) : undefined,
    onStep: (line) => context.log(line),
  });
  await keep(work, { arm: results }, flags);
  if (flags.json) return context.json(results);
  const { armKernelTable, armTokenTable, divisionTable } = await import('../../../lab/tool/arm/tables.ts');
  const tables = [
    armKernelTable(results),
    ...(results.divisions.length > 0 ? [divisionTable(results.divisions)] : []),
    ...(results.tokens.length > 0 ? [armTokenTable(results.tokens)] : []),
  ];
  context.print(tables.map(tableText).join('\n'));
}

/** In the learner's progress, and in the file that was asked for. */
async function keep(
  work: string,
  results: Pick<Progress, 'bench'> | { arm: ArmResults },
  { out }: BenchFlags,
): Promise<void> {
  const { changeProgress } = await import('../../../lab/tool/progress.ts');
  await changeProgress(work, (progress) => Object.assign(progress, results));
  if (out === undefined) return;
  const [document] = Object.values(results);
  await writeOutput(out, `${JSON.stringify(document, undefined, 2)}\n`);
}

/** The embedded model with --tiny; else the one asked for, or the default. */
async function modelOf(context: CliContext, flags: BenchFlags): Promise<{ path: string; name: string }> {
  if (flags.tiny) {
    const { PACKAGE } = await import('../../../lab/tool/paths.ts');
    return { path: join(PACKAGE, 'models', 'tiny-chat', 'tiny-chat.Q4_0.gguf'), name: 'tiny-chat' };
  }
  const { resolveModel } = await import('../../models/index.ts');
  const found = await resolveModel(flags.model ?? 'smollm2-135m', {
    ...(flags.offline ? { offline: true } : {}),
    signal: context.signal,
    onNotice: (line) => context.notice(line),
  });
  // A file's name says enough; where it lies is nobody's business in a report.
  return { path: found.paths[0]!, name: basename(found.name) };
}

async function shown(results: BenchResults): Promise<string> {
  const { endToEndTable, kernelTable } = await import('../../../lab/tool/report/tables.ts');
  const { gopsChart, tokensChart } = await import('../../../lab/tool/bench/charts.ts');
  const { terminalBars } = await import('../../../tools/charts/terminal.ts');
  const { machine, limits, kernels, endToEnd } = results;
  const parts = [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; one worker ${limits.one.gbs.toFixed(1)} GB/s, all ${limits.all.gbs.toFixed(1)} GB/s\n`,
    tableText(kernelTable(kernels, limits)),
    terminalBars(gopsChart(kernels, kernels[0]!.shape)),
  ];
  if (endToEnd.length > 0)
    parts.push(tableText(endToEndTable(endToEnd)), terminalBars(tokensChart(endToEnd)));
  return parts.join('\n');
}
