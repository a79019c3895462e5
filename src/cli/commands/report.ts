import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { renderChart } from '../../../tools/charts/file.ts';
import { readImatrix } from '../../../tools/imatrix/file.ts';
import { MIXES, mixByName } from '../../../tools/quantize/mixes.ts';
import { quantReport } from '../../../tools/report/quant.ts';
import { reportChart, reportMarkdown } from '../../../tools/report/render.ts';
import { NibbleError, UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { checkWritable, writeOutput } from '../output.ts';
import { jsonOption, threadsOption, verboseOption, type OutputFlags } from '../options.ts';
import { integer, list } from '../parse.ts';
import { addMethodsReport } from './report-methods.ts';

interface Flags extends OutputFlags {
  model: string;
  types: string[];
  file: string;
  output: string;
  png?: boolean;
  folder: string;
  imatrix?: string;
  allowRequantize?: boolean;
  threads?: number;
  ctxSize?: number;
  chunks?: number;
  nPrompt?: number;
  nGen?: number;
  repetitions?: number;
}

export function addReport(program: Command, context: CliContext): void {
  const report = program.command('report').description('documents about models: quant, methods');
  report
    .command('quant')
    .description('quantizes to several types and compares size, speed, memory and quality: Markdown and SVG')
    .requiredOption('-m, --model <file>', 'the original: a GGUF file, best F16 or F32')
    .requiredOption('--types <list>', 'such as Q8_0,Q6_K,Q4_K_M,Q4_0', list(String))
    .requiredOption('-f, --file <file>', 'text that the models predict')
    .option('-o, --output <path>', 'writes PATH.md and PATH.svg', 'quant-report')
    .option('--png', 'draws PATH.png instead of PATH.svg')
    .option('--folder <folder>', 'where the quantized files lie for a while', tmpdir())
    .option('--imatrix <file>', 'quantize with importance')
    .option('--allow-requantize', 'the original may be quantized itself')
    .option('-c, --ctx-size <n>', 'tokens per window of text; default: 512', integer(8, 2 ** 20))
    .option('--chunks <n>', 'only so many windows of text', integer(1))
    .option(
      '-p, --n-prompt <n>',
      'tokens of prompt in the measurement of speed; default: 256',
      integer(1, 2 ** 20),
    )
    .option('-n, --n-gen <n>', 'tokens of answer; default: 64', integer(1, 2 ** 20))
    .option('-r, --repetitions <n>', 'times; default: 3', integer(1, 1000))
    .addOption(threadsOption())
    .addOption(verboseOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  nibble report quant -m model-F16.gguf --types Q8_0,Q6_K,Q4_K_M,Q4_0,Q3_K_M,Q2_K -f text.txt',
    )
    .action((flags: Flags) => runQuantReport(context, flags));
  addMethodsReport(report, context);
}

async function runQuantReport(context: CliContext, flags: Flags): Promise<void> {
  if (flags.types.some((type) => type === ''))
    throw new UsageError('--types: a name between two commas is missing');
  // Said now, not when those before it have been measured.
  const unknown = flags.types.find((type) => !mixByName(type));
  if (unknown !== undefined) {
    throw new UsageError(`--types: ${unknown} is not one of ${MIXES.map(({ name }) => name).join(', ')}`);
  }
  await checkWritable(`${flags.output}.md`);
  const report = await quantReport({
    model: flags.model,
    types: flags.types,
    text: flags.file,
    folder: flags.folder,
    imatrix: flags.imatrix === undefined ? undefined : await readImatrix(flags.imatrix),
    allowRequantize: flags.allowRequantize,
    threads: flags.threads,
    window: flags.ctxSize,
    windows: flags.chunks,
    prompt: flags.nPrompt,
    generate: flags.nGen,
    repetitions: flags.repetitions,
    signal: context.signal,
    onStep: (line) => context.log(line),
  });
  let chart: string | undefined = `${flags.output}.${flags.png ? 'png' : 'svg'}`;
  try {
    await writeOutput(chart, await renderChart(chart, reportChart(report)));
  } catch (error) {
    // The table is worth minutes of work: it is written whether or not there is a chart.
    if (!(error instanceof NibbleError && error.code === 'ERR_NO_CHARTS')) throw error;
    context.notice(error.message);
    chart = undefined;
  }
  const markdown = reportMarkdown(report, chart && basename(chart));
  await writeOutput(`${flags.output}.md`, markdown);
  if (flags.json) context.json({ markdown: `${flags.output}.md`, chart, ...report });
  else context.print(markdown);
}
