import type { Command } from 'commander';
import { pullModel } from '../../models/index.ts';
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
import { createProgress } from '../progress.ts';
import { bytesText } from '../text.ts';

export function addPull(program: Command, context: CliContext): void {
  addSourceOptions(program.command('pull'))
    .description('fetch a model into the store and check it; an interrupted download goes on where it was')
    .argument('[model]', `${MODEL_TEXT}; default: smollm2-135m`)
    .argument('[format]', 'INT4, INT8 or a quantization such as Q4_K_M')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  nibble pull qwen3-0.6b\n  nibble pull hf:owner/repo:Q4_K_M')
    .action((first: string | undefined, second: string | undefined, flags: SourceFlags & OutputFlags) => {
      const { model, format } = modelArguments(first, second);
      return runPull(context, { ...flags, model, format: format ?? flags.format });
    });
}

async function runPull(context: CliContext, flags: SourceFlags & OutputFlags): Promise<void> {
  const progress = createProgress(context);
  try {
    const model = await pullModel(flags.model, {
      ...storeOptionsOf(flags),
      signal: context.signal,
      onProgress: progress.onDownload,
      onNotice: (line) => {
        progress.stop();
        context.notice(line);
      },
    });
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
