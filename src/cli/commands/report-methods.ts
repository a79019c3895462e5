import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import { METHOD_NAMES } from '../../../tools/quantize/methods/index.ts';
import { methodsReport, RANDOM } from '../../../tools/report/methods.ts';
import { methodsMarkdown } from '../../../tools/report/render.ts';
import { UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import { checkWritable, writeOutput } from '../output.ts';
import { jsonOption, threadsOption, verboseOption, type OutputFlags } from '../options.ts';
import { integer, list } from '../parse.ts';

/** Those that write the type that was asked for. */
const DEFAULT_METHODS: readonly string[] = ['rtn', 'imatrix', 'awq', 'gptq'];

interface Flags extends OutputFlags {
  model: string;
  types: string[];
  methods: string[];
  calibration: string[];
  file: string[];
  output: string;
  folder: string;
  allowRequantize?: boolean;
  threads?: number;
  calibrationChunks?: number;
  ctxSize?: number;
  chunks?: number;
}

export function addMethodsReport(report: Command, context: CliContext): void {
  report
    .command('methods')
    .description('quantizes by several methods, calibrated on several texts, and compares quality: Markdown')
    .requiredOption('-m, --model <file>', 'the original: a GGUF file, best F16 or F32')
    .requiredOption('--types <list>', 'such as Q4_0,Q3_K_S', list(String))
    .requiredOption(
      '--calibration <list>',
      `files of text to calibrate with, the first for all types, the others for the first type; ${RANDOM}: tokens of the vocabulary`,
      list(String),
    )
    .requiredOption('-f, --file <list>', 'other texts, which the models predict', list(String))
    .option(
      '--methods <list>',
      `of ${METHOD_NAMES.join(', ')}; default: ${DEFAULT_METHODS.join(',')}`,
      list(String),
    )
    .option('-o, --output <path>', 'writes PATH.md', 'methods-report')
    .option('--folder <folder>', 'where the quantized files lie for a while', tmpdir())
    .option('--allow-requantize', 'the original may be quantized itself')
    .option('--calibration-chunks <n>', 'chunks of 512 tokens to calibrate with; default: 4', integer(1))
    .option('-c, --ctx-size <n>', 'tokens per window of text; default: 256', integer(8, 2 ** 20))
    .option('--chunks <n>', 'only so many windows of each text', integer(1))
    .addOption(threadsOption())
    .addOption(verboseOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  nibble report methods -m model-F16.gguf --types Q4_0,Q3_K_S --calibration prose.txt,code.txt,random -f other.txt',
    )
    .action((flags: Flags) => runMethodsReport(context, flags));
}

async function runMethodsReport(context: CliContext, flags: Flags): Promise<void> {
  const methods = METHOD_NAMES.filter(
    (name) => flags.methods?.includes(name) ?? DEFAULT_METHODS.includes(name),
  );
  const unknown = flags.methods?.find((name) => !(METHOD_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--methods: ${unknown} is not one of ${METHOD_NAMES.join(', ')}`);
  }
  const path = `${flags.output}.md`;
  await checkWritable(path);
  const report = await methodsReport({
    model: flags.model,
    types: flags.types,
    methods,
    calibrations: flags.calibration,
    texts: flags.file,
    folder: flags.folder,
    allowRequantize: flags.allowRequantize,
    threads: flags.threads,
    chunks: flags.calibrationChunks,
    window: flags.ctxSize,
    windows: flags.chunks,
    signal: context.signal,
    onStep: (line) => context.log(line),
  });
  await writeOutput(path, methodsMarkdown(report));
  if (flags.json) context.json({ ...report, markdown: path });
  else context.print(methodsMarkdown(report));
}
