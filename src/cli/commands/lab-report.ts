/** `nibble lab report` and `grade`: called and shown; what they do is in lab/tool. */
import { join } from 'node:path';
import type { CliContext } from '../context.ts';
import { ExitError } from '../failure.ts';
import { checkWritable, writeOutput } from '../output.ts';
import { tableText } from '../table.ts';

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
  const { mergedChart, mergedModelTable, mergedTable, readDevices } =
    await import('../../../lab/tool/report/merge.ts');
  const { terminalBars } = await import('../../../tools/charts/terminal.ts');
  const devices = (await Promise.all(files.map(readDevices))).flat();
  const [kernels, models, chart] = [mergedTable(devices), mergedModelTable(devices), mergedChart(devices)];
  if (flags.to !== undefined) {
    const { barSpec } = await import('../../../tools/charts/bars.ts');
    const { writeChart } = await import('../../../tools/charts/file.ts');
    await writeChart(flags.to, barSpec(chart));
  }
  if (flags.json) return context.json({ kernels, models });
  const tables = [kernels, ...(models.rows.length > 0 ? [models] : [])].map(tableText);
  context.print([...tables, terminalBars(chart)].join('\n'));
}

export async function gradeAll(
  context: CliContext,
  folders: readonly string[],
  flags: GradeFlags,
): Promise<void> {
  if (flags.out !== undefined) await checkWritable(flags.out);
  const { grade, toCsv } = await import('../../../lab/tool/grade/grade.ts');
  const { defaultThreads } = await import('../../platform/node/cpu.ts');
  const problems = new Set<string>();
  const grades = await grade(folders, {
    threads: flags.threads ?? defaultThreads(),
    speed: flags.speed ? {} : undefined,
    onGrade: ({ name, stage, state, points, message }) => {
      if (state === 'right' || state === 'wrong') context.log(`${name} ${stage}: ${state}, ${points} points`);
      if (state !== 'unreadable' || problems.has(message)) return;
      problems.add(message);
      context.log(message);
    },
  });
  if (flags.out !== undefined) await writeOutput(flags.out, toCsv(grades));
  if (flags.json) context.json(grades);
  else if (flags.out === undefined) context.print(toCsv(grades));
  // All that could be graded is; that something could not must not go unseen.
  if (problems.size > 0) throw new ExitError(1);
}
