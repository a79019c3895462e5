import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import type { CliContext } from '../context.ts';
import type { InspectFlags } from '../inspect/flags.ts';
import { addRunOptions, jsonOption } from '../options.ts';

/** What each kind of question takes of the options; --json and --verbose go with all. */
const TAKES = {
  cpu: ['variant'],
  kernels: ['variant', 'layout'],
  'kernels MODEL': ['variant', 'layout', 'format', 'offline'],
  FILE: [
    ...['threads', 'ctxSize', 'batchSize', 'kvType', 'activations', 'segmentLimit', 'fuse', 'profile'],
    ...['format', 'offline', 'tensors'],
  ],
};

export function addInspect(program: Command, context: CliContext): void {
  addRunOptions(program.command('inspect'))
    .description('what is in a GGUF file and what it needs; the CPU; the kernels, and the layouts of weights')
    .argument('<what>', 'a GGUF file or a model on this disk, `cpu`, or `kernels`')
    .argument('[model]', 'with `kernels`: the layouts of this model')
    .option('--no-tensors', 'leave the list of tensors out')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExample:\n  nibble inspect model.gguf\n  nibble inspect cpu --json\n  nibble inspect kernels model.gguf',
    )
    .action((what: string, model: string | undefined, flags: InspectFlags, command: Command) =>
      runInspect(context, what, model, flags, command),
    );
}

// Imported when asked for: the other commands need not wait for them.
async function runInspect(
  context: CliContext,
  what: string,
  model: string | undefined,
  flags: InspectFlags,
  command: Command,
): Promise<void> {
  if (model !== undefined && what !== 'kernels') throw new UsageError('inspect takes one file');
  if (what === 'cpu') {
    refuseOthers(command, 'cpu');
    return (await import('../inspect/cpu.ts')).inspectCpu(context, flags);
  }
  if (what === 'kernels') {
    refuseOthers(command, model === undefined ? 'kernels' : 'kernels MODEL');
    return (await import('../inspect/kernels.ts')).inspectKernels(context, model, flags);
  }
  refuseOthers(command, 'FILE');
  return (await import('../inspect/file.ts')).inspectFile(context, what, flags);
}

/** @throws UsageError for an option that would have no effect */
function refuseOthers(command: Command, kind: keyof typeof TAKES): void {
  const taken = [...TAKES[kind], 'json', 'verbose'];
  const given = command.options.find((option) => {
    const name = option.attributeName();
    return command.getOptionValueSource(name) === 'cli' && !taken.includes(name);
  });
  if (given) throw new UsageError(`inspect ${kind} has no use for ${given.long}`);
}
