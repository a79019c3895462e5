/** `nibble lab`: the course. What it does is in lab/tool; here it is called and shown. */
import { Option, type Command } from 'commander';
import type { CheckReport, Finding, SpeedFinding } from '../../../lab/tool/check/report.ts';
import type { StageState } from '../../../lab/tool/course.ts';
import { scoreText } from '../../../lab/tool/bench/score.ts';
import { UsageError } from '../../errors.ts';
import { ExitError } from '../failure.ts';
import type { CliContext } from '../context.ts';
import {
  jsonOption,
  modelOption,
  offlineOption,
  threadsOption,
  verboseOption,
  type OutputFlags,
} from '../options.ts';
import { integer } from '../parse.ts';
import { plainTable } from '../table.ts';
import type { BenchFlags } from './lab-bench.ts';
import type { GradeFlags, ReportFlags } from './lab-report.ts';

interface Flags extends OutputFlags {
  work?: string;
  threads?: number;
  speed: boolean;
  yes?: boolean;
}

export function addLab(program: Command, context: CliContext): void {
  const lab = program
    .command('lab')
    .description('learn to make a linear kernel fast: a course in ten stages')
    .addHelpText('after', '\nExample:\n  nibble lab start 01\n  nibble lab check 01\n  nibble lab bench 01');
  const add = (name: string, text: string): Command =>
    lab
      .command(name)
      .description(text)
      .addOption(new Option('--work <folder>', "folder of the learner's files; default: lab/work"))
      .addOption(jsonOption())
      .addOption(verboseOption());

  add('list', 'the stages, and how far you are').action((flags: Flags) => list(context, flags));
  add('start <stage>', 'copy an exercise into the work folder and show what it is about').action(
    (stage: string, flags: Flags) => start(context, stage, flags, false),
  );
  add('reset <stage>', 'start an exercise anew; what you wrote is kept as FILE.old')
    .addOption(new Option('-y, --yes', 'do not ask'))
    .action((stage: string, flags: Flags) => reset(context, stage, flags));
  add('check <stage>', 'is the kernel right, and how fast is it?')
    .addOption(threadsOption())
    .option('--no-speed', 'results only: quicker, and on a busy machine')
    .action((stage: string, flags: Flags) => check(context, stage, flags));
  const hint = add('hint <stage>', 'the next hint');
  hint
    .addOption(new Option('-n, --number <n>', 'this one instead of the next').argParser(integer(1, 99)))
    .action((stage: string, flags: Flags & { number?: number }) => showHint(context, stage, flags));
  add('bench [stages...]', 'GOP/s of the kernels, and tokens per second of a model with each of them')
    .addOption(threadsOption())
    .addOption(modelOption())
    .option('--tiny', 'end to end with the model inside the package')
    .option('--solutions', "the course's kernels, also where there are some of yours")
    .option('--no-end-to-end', 'kernels only: no model is needed')
    .addOption(
      new Option('--rounds <n>', 'times that each kernel runs; the best counts')
        .argParser(integer(1, 1000))
        .default(5),
    )
    .option('--out <file>', 'the results as JSON, for report --merge')
    .option(
      '--chart <path>',
      'bars, roofline and tokens per second: FILE.svg, FILE.png, or a folder for both of each',
    )
    .option(
      '--arm',
      'count instructions on emulated ARM cores and predict cycles; on an ARM machine, measure',
    )
    .addOption(offlineOption())
    .action(async (names: string[], flags: BenchFlags) => {
      const { benchStages } = await import('./lab-bench.ts');
      await benchStages(context, names, flags);
    });
  add('report', 'your code, checks, figures and the questions, as Markdown and HTML')
    .option(
      '--to <path>',
      'folder of the report, default: lab/work/report; with --merge, FILE.svg or FILE.png',
    )
    .option('--bundle', 'also report.zip, to hand in')
    .option('--merge <files...>', 'instead: results of several machines side by side, of bench --out')
    .action(async (flags: ReportFlags) => (await reporting()).report(context, flags));
  add('grade <paths...>', 'grade what was handed in, as CSV')
    .addOption(threadsOption())
    .option('--no-speed', 'results only')
    .option('--out <file>', 'the CSV')
    .action(async (paths: string[], flags: GradeFlags) =>
      (await reporting()).gradeAll(context, paths, flags),
    );
  add('solution <stage>', "the course's own kernel").action((stage: string, flags: Flags) =>
    showSolution(context, stage, flags),
  );
}

/** Loaded only here: a chat needs nothing of the course. */
const reporting = () => import('./lab-report.ts');
const paths = () => import('../../../lab/tool/paths.ts');
const course = () => import('../../../lab/tool/course.ts');
const stages = () => import('../../../lab/tool/stages.ts');

async function list(context: CliContext, flags: Flags): Promise<void> {
  const states = await (await course()).listStages((await paths()).workFolder(flags.work));
  if (flags.json) {
    return context.json(
      states.map(({ stage, ...rest }) => ({ stage: stage.id, title: stage.title, ...rest })),
    );
  }
  const columns = [{ title: 'stage' }, { title: 'state' }, { title: 'speed' }, { title: 'about' }];
  const row = ({ stage, state, ratio }: StageState) => [
    stage.id,
    state,
    ratio === undefined ? '' : `${ratio.toFixed(2)} x`,
    stage.title,
  ];
  context.print(plainTable(columns, states.map(row)));
}

async function start(context: CliContext, name: string, flags: Flags, replace: boolean): Promise<void> {
  const stage = (await stages()).stageOf(name);
  const { readStage, startStage } = await course();
  const file = await startStage(stage, (await paths()).workFolder(flags.work), { replace });
  const readme = await readStage(stage);
  if (flags.json) return context.json({ stage: stage.id, file, readme });
  context.print(`${readme}\nYour file: ${file}\nThen:      nibble lab check ${stage.id}\n`);
}

async function reset(context: CliContext, name: string, flags: Flags): Promise<void> {
  const stage = (await stages()).stageOf(name);
  if (!flags.yes) {
    if (!process.stdin.isTTY || !process.stderr.isTTY) {
      throw new UsageError(`nobody can be asked here: reset ${stage.id} with --yes`);
    }
    const { createInterface } = await import('node:readline/promises');
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await lines.question(`Start ${stage.id} anew? What you wrote is kept as FILE.old. [y/N] `);
    lines.close();
    if (!/^y(es)?$/i.test(answer.trim())) return;
  }
  await start(context, name, flags, true);
}

async function check(context: CliContext, name: string, flags: Flags): Promise<void> {
  const stage = (await stages()).stageOf(name);
  const work = (await paths()).workFolder(flags.work);
  const [{ checkStage }, { changeProgress }, { defaultThreads }, { solutionFile }] = await Promise.all([
    import('../../../lab/tool/check/check.ts'),
    import('../../../lab/tool/progress.ts'),
    import('../../platform/node/cpu.ts'),
    paths(),
  ]);
  const report = await checkStage(stage, {
    work,
    // A reference is given: it is checked where it lies.
    file: stage.given ? solutionFile(stage) : undefined,
    threads: flags.threads ?? defaultThreads(),
    speed: flags.speed ? {} : undefined,
    onFinding: (finding) => flags.json || context.print(findingLine(context, finding)),
  });
  await changeProgress(work, ({ checks }) => {
    checks[stage.id] = { ...report, at: new Date().toISOString() };
  });
  if (flags.json) context.json(report);
  else context.print(summary(context, report));
  if (!report.correct || report.speed?.verdict === 'slow') throw new ExitError(1);
}

const ABOUT: Record<string, string> = {
  compiles: 'it compiles, and imports nothing but the memory',
  results: 'results on many shapes and values, nothing else touched',
  bounds: 'no access beyond the ends of buffers',
  workers: 'the work is divided without races, with 1 to 8 workers',
  speed: 'right also where speed is measured',
};

function findingLine({ out }: CliContext, { name, ok, message }: Finding): string {
  return `${ok ? out.green('ok  ') : out.red('FAIL')}  ${ABOUT[name] ?? name}\n${message ? `      ${message.replace(/\n/g, '\n      ')}\n` : ''}`;
}

function summary(context: CliContext, report: CheckReport): string {
  const seconds = `(${(report.milliseconds / 1000).toFixed(1)} s)\n`;
  if (!report.correct) return `${report.file} is not right yet ${seconds}`;
  return report.speed ? `${speedLine(context, report.speed)} ${seconds}` : `right ${seconds}`;
}

function speedLine({ out }: CliContext, speed: SpeedFinding): string {
  const x = (ratio: number) => `${ratio.toFixed(2)} x`;
  const marks = {
    merit: out.green('MERIT'),
    pass: out.green('PASS'),
    slow: out.red('SLOW'),
    'not judged': 'ok  ',
  };
  const workers = speed.threads > 1 ? ` on ${speed.threads} workers` : '';
  const own = `${x(speed.ratio)} the reference${workers}, ${(2 * speed.gmacs).toFixed(1)} GOP/s`;
  if (speed.verdict === 'not judged') return `${marks[speed.verdict]}  ${own}: ${speed.note}`;
  const score = speed.score === undefined ? '' : `; score against nibble's own: ${scoreText(speed.score)}`;
  return `${marks[speed.verdict]}  ${own}; pass ${x(speed.pass)}, merit ${x(speed.merit)}, the course's kernel ${x(speed.solution)}${score}`;
}

async function showHint(
  context: CliContext,
  name: string,
  flags: Flags & { number?: number },
): Promise<void> {
  const stage = (await stages()).stageOf(name);
  const hint = await (await course()).nextHint(stage, (await paths()).workFolder(flags.work), flags.number);
  if (flags.json) return context.json(hint);
  context.print(`${hint.number} of ${hint.of}: ${hint.text}\n`);
}

async function showSolution(context: CliContext, name: string, flags: Flags): Promise<void> {
  const stage = (await stages()).stageOf(name);
  const text = await (await course()).readSolution(stage);
  if (flags.json) context.json({ stage: stage.id, text });
  else context.print(text);
}
