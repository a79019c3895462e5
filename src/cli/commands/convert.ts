import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { CHECKPOINT_PATHS, pullSnapshot } from '../../models/index.ts';
import { OUTTYPES, planConversion, type ConversionPlan, type Outtype } from '../../../tools/convert/index.ts';
import type { CliContext } from '../context.ts';
import {
  dryRunOption,
  jsonOption,
  offlineOption,
  splitOption,
  verboseOption,
  type OutputFlags,
} from '../options.ts';
import { createProgress, type ProgressView } from '../progress.ts';
import { plainTable } from '../table.ts';
import { bytesText, countText, parametersText } from '../text.ts';

interface Flags extends OutputFlags {
  output?: string;
  outtype: Outtype;
  tokenizer?: string;
  name?: string;
  splitMaxSize?: number;
  vocabOnly?: boolean;
  dryRun?: boolean;
  offline?: boolean;
}

export function addConvert(program: Command, context: CliContext): void {
  program
    .command('convert')
    .description('write a Hugging Face checkpoint as a GGUF file')
    .argument('<checkpoint>', 'a folder with config.json and *.safetensors, or hf:OWNER/REPO[@REVISION]')
    .addOption(
      new Option(
        '-o, --output <file>',
        'GGUF file or folder; default: the name of the checkpoint, in this folder',
      ),
    )
    .addOption(
      new Option('--outtype <type>', 'of matrices; vectors and norms stay f32')
        .choices(OUTTYPES)
        .default('f16'),
    )
    .addOption(
      new Option(
        '--tokenizer <source>',
        'a folder, tokenizer.json, tokenizer.model, or hf:OWNER/REPO[@REVISION]',
      ),
    )
    .addOption(
      new Option('--name <name>', 'of the model, for general.name; default: of the folder or repository'),
    )
    .addOption(splitOption())
    .addOption(new Option('--vocab-only', 'metadata and tokenizer without weights'))
    .addOption(dryRunOption())
    .addOption(offlineOption())
    .addOption(jsonOption())
    .addOption(verboseOption())
    .addHelpText(
      'after',
      '\nExample:\n  nibble convert ./SmolLM2-135M-Instruct -o smollm2.gguf\n' +
        '  nibble convert hf:apple/OpenELM-270M-Instruct --tokenizer hf:owner/llama-2-tokenizer --outtype q8_0',
    )
    .action((checkpoint: string, flags: Flags) => runConvert(context, checkpoint, flags));
}

async function runConvert(context: CliContext, checkpoint: string, flags: Flags): Promise<void> {
  const progress = createProgress(context);
  const onNotice = (line: string): void => {
    progress.stop();
    context.notice(line);
  };
  try {
    const fetched = (source: string, paths: RegExp): Promise<string> =>
      localFolder(source, paths, { context, flags, progress, onNotice });
    const folder = await fetched(checkpoint, CHECKPOINT_PATHS);
    const tokenizer = flags.tokenizer && (await fetched(flags.tokenizer, TOKENIZER_PATHS));
    const name = flags.name ?? nameOf(checkpoint);
    const plan = await planConversion(folder, await outputPath(flags, name), {
      outtype: flags.outtype,
      vocabOnly: flags.vocabOnly,
      maxShardBytes: flags.splitMaxSize,
      tokenizer,
      name,
      onNotice,
    });
    try {
      if (!flags.dryRun) {
        await plan.write({
          signal: context.signal,
          onProgress: (bytes, total) => progress.onBytes('Writing', bytes, total),
        });
      }
    } finally {
      await plan.close();
    }
    progress.stop();
    if (flags.json) context.json({ ...reportOf(plan), dryRun: flags.dryRun === true });
    else context.print(textOf(plan, flags, context.verbose));
  } finally {
    progress.stop();
  }
}

/** What a tokenizer is read from. */
const TOKENIZER_PATHS =
  /^[^/]*(tokenizer|vocab|spiece|special_tokens|added_tokens|sentencepiece)[^/]*$|^chat_template|^config\.json$/;

interface Fetching {
  context: CliContext;
  flags: Flags;
  progress: ProgressView;
  onNotice: (line: string) => void;
}

/** A folder of this machine; what is on the hub is fetched into the store first. */
async function localFolder(source: string, paths: RegExp, fetching: Fetching): Promise<string> {
  if (!/^hf:/i.test(source)) return source;
  const { context, flags, progress, onNotice } = fetching;
  const { folder } = await pullSnapshot(source, {
    ...(flags.offline ? { offline: true } : {}),
    paths,
    signal: context.signal,
    onProgress: progress.onDownload,
    onNotice,
  });
  progress.stop();
  return folder;
}

function nameOf(checkpoint: string): string {
  return /^hf:/i.test(checkpoint)
    ? checkpoint.replace(/@.*$/, '').split('/').at(-1)!
    : basename(resolve(checkpoint));
}

/** A folder gets a file in it that is named as GGUF files mostly are. */
async function outputPath({ output, outtype, vocabOnly }: Flags, name: string): Promise<string> {
  const file = `${name}-${vocabOnly ? 'vocab' : outtype.toUpperCase()}.gguf`;
  if (output === undefined) return file;
  const isFolder = await stat(output).then(
    (status) => status.isDirectory(),
    () => false,
  );
  return isFolder ? join(output, file) : output;
}

function reportOf({ architecture, parameters, files, bytes, types, tensors }: ConversionPlan): object {
  return { architecture, parameters, files, bytes, types, tensors };
}

function textOf(plan: ConversionPlan, { dryRun }: Flags, verbose: boolean): string {
  const types = plan.types.map(
    ({ type, tensors, bytes }) => `${countText(tensors, 'tensor')} ${type} (${bytesText(bytes)})`,
  );
  const head = [`${plan.architecture}, ${parametersText(plan.parameters)} parameters`, ...types].join(', ');
  const files = plan.files.map(
    ({ path, bytes }) => `${path}: ${bytesText(bytes)}${dryRun ? ' (not written)' : ''}`,
  );
  const columns = ['tensor', 'shape', 'type', 'from', 'was'].map((title) => ({ title }));
  const rows = plan.tensors.map((t) => [t.name, t.shape.join(' x '), t.type, t.from, t.was]);
  const table = verbose || dryRun ? plainTable(columns, rows) : '';
  return `${table}${head}\n${files.join('\n')}\n`;
}
