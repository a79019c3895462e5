import type { Command } from 'commander';
import { listModels, type ListedModel } from '../../models/index.ts';
import type { CliContext } from '../context.ts';
import { jsonOption, verboseOption, type OutputFlags } from '../options.ts';
import { plainTable } from '../table.ts';
import { bytesText, parametersText } from '../text.ts';

export function addList(program: Command, context: CliContext): void {
  program
    .command('list')
    .alias('ls')
    .description('models that nibble knows by name, and what of them is on this disk')
    .option('--cached', 'only what is on this disk')
    .addOption(jsonOption())
    .addOption(verboseOption())
    .addHelpText('after', '\nExample:\n  nibble list\n  nibble list --cached --json')
    .action((flags: OutputFlags & { cached?: boolean }) => runList(context, flags));
}

async function runList(context: CliContext, flags: OutputFlags & { cached?: boolean }): Promise<void> {
  const all = await listModels({ onNotice: context.notice, signal: context.signal });
  const models = flags.cached ? all.filter((model) => model.cached.length > 0) : all;
  if (flags.json) return context.json(models.map(jsonRow));
  if (models.length === 0) return context.log('No model is on this disk: nibble pull NAME fetches one.');
  context.print(
    plainTable(
      [
        { title: 'NAME' },
        { title: 'PARAMETERS', align: 'right' },
        { title: 'DOWNLOAD', align: 'right' },
        { title: 'MEMORY', align: 'right' },
        { title: 'LICENCE' },
        { title: 'ON THIS DISK' },
      ],
      models.map((model) => [
        model.name,
        model.entry ? parametersText(model.entry.parameters) : '-',
        model.approximateBytes === undefined ? '-' : bytesText(model.approximateBytes),
        model.approximateRam === undefined ? '-' : bytesText(model.approximateRam),
        model.entry?.licence ?? '-',
        model.cached.map((c) => `${c.quantization ?? 'file'} ${bytesText(c.bytes)}`).join(', ') || '-',
      ]),
    ),
  );
}

function jsonRow(model: ListedModel): Record<string, unknown> {
  const { name, entry, approximateBytes, approximateRam, cached } = model;
  return {
    name,
    title: entry?.title,
    kind: entry?.kind,
    architecture: entry?.architecture,
    parameters: entry?.parameters,
    licence: entry?.licence,
    repositories: entry?.repositories,
    quantizations: entry?.quantizations,
    approximateBytes,
    approximateRam,
    cached,
  };
}
