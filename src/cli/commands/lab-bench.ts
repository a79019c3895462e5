/** `nibble lab bench`, `report` and `grade`: called and shown; what they do is in lab/tool. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchResults } from '../../../lab/tool/bench/results.ts';
import type { Stage } from '../../../lab/tool/stages.ts';
import { UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { plainTable } from '../table.ts';

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
  svg?: string;
  offline?: boolean;
  arm?: boolean;
}

export interface ReportFlags {
  work?: string;
  to?: string;
  bundle?: boolean;
  merge?: string[];
  json?: boolean;
}

export interface GradeFlags {
  threads?: number;
  out?: string;
  json?: boolean;
  speed: boolean;
}

const PROMPT_TOKENS = 128;
const GENERATED_TOKENS = 48;
const REPEATS = 3;

export async function benchStages(
  context: CliContext,
  names: readonly string[],
  flags: BenchFlags,
): Promise<void> {
  const { STAGES, stageOf } = await import('../../../lab/tool/stages.ts');
  const { workFolder } = await import('../../../lab/tool/paths.ts');
  const { runBench } = await import('../../../lab/tool/bench/bench.ts');
  const { changeProgress } = await import('../../../lab/tool/progress.ts');
  const { defaultThreads } = await import('../../platform/node/cpu.ts');
  const work = workFolder(flags.work);
  const stages: readonly Stage[] =
    names.length > 0 ? names.map(stageOf) : STAGES.filter(({ layout }) => layout !== 'int8');
  if (flags.arm) return benchOnArm(context, stages, work, flags);
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
  await changeProgress(work, (progress) => {
    progress.bench = results;
  });
  if (flags.out !== undefined) await writeFile(flags.out, `${JSON.stringify(results, undefined, 2)}\n`);
  if (flags.svg !== undefined) await writeCharts(flags.svg, results);
  if (flags.json) context.json(results);
  else context.print(await shown(results));
}

async function benchOnArm(
  context: CliContext,
  stages: readonly Stage[],
  work: string,
  flags: BenchFlags,
): Promise<void> {
  const { armTable, balanceTable, benchArm } = await import('../../../lab/tool/arm/arm.ts');
  const results = await benchArm({
    stages,
    work,
    solutions: flags.solutions ?? false,
    onRow: ({ stage, cpu, per32Weights }) =>
      context.log(`${stage} on ${cpu}: ${per32Weights.toFixed(1)} instructions per 32 weights`),
  });
  if (flags.out !== undefined) await writeFile(flags.out, `${JSON.stringify(results, undefined, 2)}\n`);
  if (flags.json) return context.json(results);
  context.print(tableText(armTable(results)));
  if (results.balance.length > 0) context.print(`\n${tableText(balanceTable(results.balance))}`);
}

function tableText({
  columns,
  rows,
}: {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}): string {
  return plainTable(
    columns.map((title) => ({ title })),
    rows,
  );
}

/** The embedded model with --tiny; else the one asked for, or the default. */
async function modelOf(context: CliContext, flags: BenchFlags): Promise<{ path: string; name: string }> {
  if (flags.tiny && flags.model !== undefined)
    throw new UsageError('--tiny and --model contradict each other');
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
  return { path: found.paths[0]!, name: found.name };
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

async function writeCharts(folder: string, results: BenchResults): Promise<void> {
  const { writeCharts: write } = await import('../../../lab/tool/bench/files.ts');
  await write(folder, results);
}

export async function report(context: CliContext, flags: ReportFlags): Promise<void> {
  const { workFolder } = await import('../../../lab/tool/paths.ts');
  if (flags.merge) return merge(context, flags.merge, flags);
  const work = workFolder(flags.work);
  const { writeReport } = await import('../../../lab/tool/report/report.ts');
  const { files } = await writeReport(work, flags.to ?? join(work, 'report'), { bundle: flags.bundle });
  if (flags.json) context.json({ files });
  else context.print(`${files.join('\n')}\n`);
}

async function merge(
  context: CliContext,
  files: readonly string[],
  flags: { to?: string; json?: boolean },
): Promise<void> {
  const { mergedChart, mergedTable, readDevice } = await import('../../../lab/tool/report/merge.ts');
  const { terminalBars } = await import('../../../tools/charts/terminal.ts');
  const devices = await Promise.all(files.map(readDevice));
  const table = mergedTable(devices);
  if (flags.json) return context.json(table);
  const shape = devices[0]!.results.kernels[0]?.shape ?? '';
  const chart = mergedChart(devices, shape);
  if (flags.to !== undefined) {
    const { barSpec, renderSvg } = await import('../../../tools/charts/svg.ts');
    await writeFile(flags.to, await renderSvg(barSpec(chart)));
  }
  context.print(`${tableText(table)}\n${terminalBars(chart)}`);
}

export async function gradeAll(
  context: CliContext,
  folders: readonly string[],
  flags: GradeFlags,
): Promise<void> {
  const { grade, toCsv } = await import('../../../lab/tool/grade/grade.ts');
  const { defaultThreads } = await import('../../platform/node/cpu.ts');
  const grades = await grade(folders, {
    threads: flags.threads ?? defaultThreads(),
    speed: flags.speed ? {} : undefined,
    onGrade: ({ name, stage, state, points }) => {
      if (state !== 'missing') context.log(`${name} ${stage}: ${state}, ${points} points`);
    },
  });
  if (flags.out !== undefined) await writeFile(flags.out, toCsv(grades));
  if (flags.json) context.json(grades);
  else if (flags.out === undefined) context.print(toCsv(grades));
}
