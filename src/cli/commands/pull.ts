import { Option, type Command } from 'commander';
import { UsageError } from '../../errors.ts';
import { pullModel, pullSnapshot, type StoreOptions } from '../../models/index.ts';
import type { CliContext } from '../context.ts';
import { storeOptionsOf } from '../open-model.ts';
import {
  addSourceOptions,
  jsonOption,
  modelArguments,
  MODEL_TEXT,
  type OutputFlags,
  type SourceFlags,
} from '../options.ts';
import { createProgress, type ProgressView } from '../progress.ts';
import { bytesText, countText } from '../text.ts';

interface Flags extends SourceFlags, OutputFlags {
  snapshot?: boolean;
  localDir?: string;
}

export function addPull(program: Command, context: CliContext): void {
  addSourceOptions(program.command('pull'))
    .description('fetch a model into the store and check it; an interrupted download goes on where it was')
    .argument('[model]', `${MODEL_TEXT}; default: smollm2-135m`)
    .argument('[format]', 'INT4, INT8 or a quantization such as Q4_K_M')
    .addOption(
      new Option('--snapshot', 'all files of hf:OWNER/REPO[@REVISION], such as a checkpoint to convert'),
    )
    .addOption(new Option('--local-dir <folder>', 'where --snapshot puts them; default: in the store'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  nibble pull qwen3-0.6b\n  nibble pull hf:owner/repo:Q4_K_M\n' +
        '  nibble pull --snapshot hf:owner/repo@main --local-dir ./checkpoint',
    )
    .action((first: string | undefined, second: string | undefined, flags: Flags) => {
      if (flags.snapshot) return runSnapshot(context, first, second, flags);
      if (flags.localDir !== undefined) throw new UsageError('--local-dir goes with --snapshot');
      const { model, format } = modelArguments(first, second);
      return runPull(context, { ...flags, model, format: format ?? flags.format });
    });
}

async function runSnapshot(
  context: CliContext,
  repository: string | undefined,
  extra: string | undefined,
  flags: Flags,
): Promise<void> {
  if (repository === undefined || extra !== undefined || flags.format !== undefined) {
    throw new UsageError('--snapshot takes hf:OWNER/REPO[@REVISION] and no format');
  }
  const progress = createProgress(context);
  try {
    const snapshot = await pullSnapshot(repository, {
      ...downloadOptions(context, flags, progress),
      localDir: flags.localDir,
    });
    progress.stop();
    if (flags.json) return context.json(snapshot);
    const { files, bytes, folder, revision } = snapshot;
    const fetched = files.filter((file) => file.fetched).length;
    context.print(
      `${snapshot.repository}@${revision}: ${countText(files.length, 'file')}, ${bytesText(bytes)}, ${fetched} of them fetched now\n${folder}\n`,
    );
  } finally {
    progress.stop();
  }
}

async function runPull(context: CliContext, flags: SourceFlags & OutputFlags): Promise<void> {
  const progress = createProgress(context);
  try {
    const model = await pullModel(flags.model, downloadOptions(context, flags, progress));
    progress.stop();
    if (flags.json) {
      const { name, quantization, source, bytes, paths } = model;
      return context.json({ name, quantization, source, bytes, paths });
    }
    const from = model.source === 'cache' ? 'was in the store' : `from ${model.source}`;
    context.print(`${model.name}: ${bytesText(model.bytes)}, ${from}\n${model.paths.join('\n')}\n`);
  } finally {
    progress.stop();
  }
}

function downloadOptions(context: CliContext, flags: SourceFlags, progress: ProgressView): StoreOptions {
  return {
    ...storeOptionsOf(flags),
    signal: context.signal,
    onProgress: progress.onDownload,
    onNotice: (line: string): void => {
      progress.stop();
      context.notice(line);
    },
  };
}
