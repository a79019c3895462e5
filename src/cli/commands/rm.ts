import type { Command } from 'commander';
import { removeModel } from '../../models/index.ts';
import type { CliContext } from '../context.ts';
import { formatOption, jsonOption, verboseOption, type OutputFlags } from '../options.ts';
import { bytesText } from '../text.ts';

export function addRemove(program: Command, context: CliContext): void {
  program
    .command('rm')
    .alias('remove')
    .description('remove a model from the store: all its quantizations, or the one that is named')
    .argument('<model>', 'a name, a URL or hf:owner/repo as in `nibble list`')
    .addOption(formatOption())
    .addOption(jsonOption())
    .addOption(verboseOption())
    .addHelpText('after', '\nExample:\n  nibble rm smollm2-135m\n  nibble rm qwen3-0.6b:Q8_0')
    .action((model: string, flags: OutputFlags & { format?: string }) => runRemove(context, model, flags));
}

async function runRemove(
  context: CliContext,
  model: string,
  flags: OutputFlags & { format?: string },
): Promise<void> {
  const result = await removeModel(model, {
    format: flags.format,
    onNotice: context.notice,
    signal: context.signal,
  });
  if (flags.json) return context.json(result);
  context.print(`Removed ${bytesText(result.bytes)}:\n${result.removed.join('\n')}\n`);
}
