import { InvalidArgumentError, Option, type Command } from 'commander';
import { readImatrix } from '../../../tools/imatrix/file.ts';
import { QUANTIZED_TYPES } from '../../../tools/quantize/kernels.ts';
import { METHOD_NAMES } from '../../../tools/quantize/methods/index.ts';
import type { MethodOptions } from '../../../tools/quantize/methods/types.ts';
import { MIXES } from '../../../tools/quantize/mixes.ts';
import type { Plan, PlanOptions } from '../../../tools/quantize/plan.ts';
import { planFile, quantizeFile, type QuantizeOptions } from '../../../tools/quantize/quantize.ts';
import { UsageError } from '../../errors.ts';
import { typeLabel } from '../../gguf/tensor-types.ts';
import type { CliContext } from '../context.ts';
import { readBytes } from '../input.ts';
import {
  chunksOption,
  chunkSizeOption,
  dryRunOption,
  jsonOption,
  splitOption,
  threadsOption,
  verboseOption,
  type OutputFlags,
} from '../options.ts';
import { number } from '../parse.ts';
import { createProgress } from '../progress.ts';
import { plainTable } from '../table.ts';
import { binaryBytesText, bytesText, durationText, rounded } from '../text.ts';

interface Flags extends OutputFlags {
  threads?: number;
  allowRequantize?: boolean;
  pure?: boolean;
  tensorType?: { pattern: RegExp; type: string }[];
  outputTensorType?: string;
  tokenEmbeddingType?: string;
  leaveOutputTensor?: boolean;
  imatrix?: string;
  method?: (typeof METHOD_NAMES)[number];
  calibration?: string;
  actOrder?: boolean;
  alpha?: number;
  perTensor?: boolean;
  ctxSize?: number;
  chunks?: number;
  splitMaxSize?: number;
  dryRun?: boolean;
}

export function addQuantize(program: Command, context: CliContext): void {
  program
    .command('quantize')
    .argument('<in>', 'a GGUF file, or any of its shards')
    .argument('<out>', 'the file to write')
    .argument('<type>', MIXES.map(({ name }) => name).join(' '))
    .description('a smaller copy of a GGUF model: fewer bits per weight')
    .option('--imatrix <file>', 'importance of the columns: see nibble imatrix')
    .addOption(
      new Option(
        '--method <method>',
        'how weights are rounded: to nearest (rtn), or as a text shows',
      ).choices(METHOD_NAMES),
    )
    .option('--calibration <file>', 'the text, for every method but rtn; - is standard input')
    .option(
      '--no-act-order',
      'gptq: columns in the order of the file, not those that meet large inputs first',
    )
    .addOption(
      new Option('--alpha <n>', 'smoothquant: how much goes into the weights; default: 0.5').argParser(
        number(0, 1),
      ),
    )
    .option('--per-tensor', 'smoothquant: one scale per matrix, not per row')
    .addOption(chunkSizeOption())
    .addOption(chunksOption())
    .option('--allow-requantize', 'also from quantized tensors: worse than from the original')
    .option('--pure', 'one type for all matrices, without the rules of the mix')
    .addOption(
      new Option(
        '--tensor-type <pattern=type>',
        'a type for tensors whose name matches, such as ffn_down=Q6_K; may be repeated',
      ).argParser(tensorTypeRule),
    )
    .addOption(new Option('--output-tensor-type <type>', 'a type for output.weight').argParser(typeName))
    .addOption(
      new Option('--token-embedding-type <type>', 'a type for token_embd.weight').argParser(typeName),
    )
    .option('--leave-output-tensor', 'output.weight stays as it is')
    .addOption(splitOption())
    .addOption(dryRunOption())
    .addOption(threadsOption())
    .addOption(verboseOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nThe mixes choose types by tensor as llama.cpp does: docs/quantization.md has the table.\n' +
        '\nExample:\n  nibble quantize model-F16.gguf model-Q4_K_M.gguf Q4_K_M\n' +
        '  nibble quantize model-F16.gguf out.gguf Q3_K_M --imatrix imatrix.gguf --tensor-type ffn_down=Q5_K\n' +
        '  nibble quantize model-F16.gguf out.gguf Q3_K_S --method gptq --calibration text.txt\n' +
        '  nibble quantize model-F16.gguf out.gguf Q4_0 --dry-run',
    )
    .action((input: string, output: string, type: string, flags: Flags) =>
      runQuantize(context, { input, output, type }, flags),
    );
}

function typeName(text: string): string {
  const name = text.toUpperCase();
  if ((QUANTIZED_TYPES as readonly string[]).includes(name)) return name;
  throw new InvalidArgumentError(`It must be one of ${QUANTIZED_TYPES.join(', ')}.`);
}

/** `PATTERN=TYPE`, collected. */
function tensorTypeRule(text: string, before: Flags['tensorType'] = []): Flags['tensorType'] {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be PATTERN=TYPE, such as ffn_down=Q6_K.');
  try {
    return [...before, { pattern: new RegExp(text.slice(0, at)), type: typeName(text.slice(at + 1)) }];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InvalidArgumentError(`${text.slice(0, at)} is no regular expression.`);
  }
}

async function runQuantize(
  context: CliContext,
  { input, output, type }: { input: string; output: string; type: string },
  flags: Flags,
): Promise<void> {
  const planned: PlanOptions = {
    type,
    allowRequantize: flags.allowRequantize,
    pure: flags.pure,
    tensorTypes: flags.tensorType,
    outputTensorType: flags.outputTensorType,
    tokenEmbeddingType: flags.tokenEmbeddingType,
    leaveOutputTensor: flags.leaveOutputTensor,
  };
  const method = await methodOf(flags);
  const imatrix = flags.imatrix === undefined ? undefined : await readImatrix(flags.imatrix);
  const options: QuantizeOptions = {
    ...planned,
    imatrix,
    method,
    maxShardBytes: flags.splitMaxSize,
    threads: flags.threads,
    signal: context.signal,
  };
  if (flags.dryRun) return showPlan(context, await planFile(input, options), flags);
  const progress = createProgress(context);
  try {
    const { plan, files, bytes, milliseconds } = await quantizeFile(input, output, {
      ...options,
      onProgress: (done, total) => progress.onBytes('Quantizing', done, total),
      onCalibration: (done, total) => progress.onCount('Calibrating', done, total, 'chunk'),
    });
    progress.stop();
    if (flags.json) {
      return context.json({ out: output, files, bytes, ms: rounded(milliseconds), ...summary(plan) });
    }
    warnOfFallbacks(context, plan);
    const where = files.length === 1 ? output : `${files[0]} and ${files.length - 1} more`;
    context.print(`${where}: ${bytesText(bytes)}, ${sizeLine(plan)}, ${durationText(milliseconds)}\n`);
  } finally {
    progress.stop();
  }
}

/** @throws UsageError for a method without its text, and the other way round */
async function methodOf({
  method = 'rtn',
  calibration,
  imatrix,
  ...flags
}: Flags): Promise<MethodOptions | undefined> {
  const belongs = (given: boolean, option: string, to: string): void => {
    if (given && method !== to) throw new UsageError(`${option} goes with --method ${to}`);
  };
  belongs(!flags.actOrder, '--no-act-order', 'gptq');
  belongs(flags.alpha !== undefined, '--alpha', 'smoothquant');
  belongs(flags.perTensor ?? false, '--per-tensor', 'smoothquant');
  if (method === 'rtn') {
    const unused = { '--calibration': calibration, '--ctx-size': flags.ctxSize, '--chunks': flags.chunks };
    const [given] = Object.entries(unused).find(([, value]) => value !== undefined) ?? [];
    if (given !== undefined) {
      throw new UsageError(`${given} goes with --method ${METHOD_NAMES.slice(1).join(', ')}`);
    }
    return undefined;
  }
  if (imatrix !== undefined && method === 'imatrix') {
    if (calibration === undefined) return undefined;
    throw new UsageError('--method imatrix takes --imatrix or --calibration, not both');
  }
  if (imatrix !== undefined) throw new UsageError(`--imatrix does not go with --method ${method}`);
  if (calibration === undefined) {
    throw new UsageError(`--method ${method} needs text to calibrate with: give --calibration FILE`);
  }
  return {
    name: method,
    actOrder: flags.actOrder,
    alpha: flags.alpha,
    perTensor: flags.perTensor,
    calibration: {
      text: await readBytes(calibration),
      name: calibration,
      chunkSize: flags.ctxSize,
      chunks: flags.chunks,
    },
  };
}

const bits = (bytes: number, weights: number): number => (bytes * 8) / weights;

function sizeLine({ oldBytes, newBytes, weights }: Plan): string {
  return `${bits(oldBytes, weights).toFixed(2)} -> ${bits(newBytes, weights).toFixed(2)} bits per weight`;
}

/** Columns that the wanted type does not allow cost size: never in silence. */
function warnOfFallbacks(context: CliContext, { tensors }: Plan): void {
  const changed = tensors.filter(({ instead }) => instead !== undefined);
  const [first] = changed;
  if (!first) return;
  context.notice(
    `${changed.length} of ${tensors.length} tensors have columns that are no multiple of the block of their type, such as ` +
      `${first.tensor.name} (${first.columns} columns, ${first.type.name} instead of ${first.instead})`,
  );
}

function summary(plan: Plan): Record<string, unknown> {
  return {
    type: plan.mix.name,
    weights: plan.weights,
    oldBytes: plan.oldBytes,
    newBytes: plan.newBytes,
    bitsPerWeight: rounded(bits(plan.newBytes, plan.weights)),
    tensors: plan.tensors.map(({ tensor, type, bytes, instead }) => ({
      name: tensor.name,
      shape: tensor.shape,
      type: type.name,
      oldBytes: tensor.byteLength,
      newBytes: bytes,
      ...(instead === undefined ? {} : { insteadOf: instead }),
    })),
  };
}

function showPlan(context: CliContext, plan: Plan, flags: Flags): void {
  if (flags.json) return context.json(summary(plan));
  const right = { align: 'right' as const };
  const columns = [
    { title: 'tensor' },
    { title: 'shape', ...right },
    { title: 'now' },
    { title: 'size', ...right },
    { title: 'becomes' },
    { title: 'size', ...right },
  ];
  const rows = plan.tensors.map(({ tensor, type, bytes, instead }) => [
    tensor.name,
    tensor.shape.join(' x '),
    typeLabel(tensor.type),
    binaryBytesText(tensor.byteLength),
    instead === undefined ? type.name : `${type.name} (no ${instead})`,
    binaryBytesText(bytes),
  ]);
  context.print(plainTable(columns, rows));
  context.print(`${bytesText(plan.oldBytes)} -> ${bytesText(plan.newBytes)}, ${sizeLine(plan)}\n`);
  warnOfFallbacks(context, plan);
}
