import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import type { InspectFlags } from '../inspect/flags.ts';
import { addRunOptions, jsonOption } from '../options.ts';

export function addInspect(program: Command, context: CliContext): void {
  addRunOptions(program.command('inspect'))
    .description('what is in a GGUF file and what it needs; the CPU; the kernels')
    .argument('<what>', 'a GGUF file or a model on this disk, `cpu`, or `kernels`')
    .option('--no-tensors', 'leave the list of tensors out')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  nibble inspect model.gguf\n  nibble inspect cpu --json')
    .action((what: string, flags: InspectFlags) => runInspect(context, what, flags));
}

// Imported when asked for: the other commands need not wait for them.
async function runInspect(context: CliContext, what: string, flags: InspectFlags): Promise<void> {
  if (what === 'cpu') return (await import('../inspect/cpu.ts')).inspectCpu(context, flags);
  if (what === 'kernels') return (await import('../inspect/kernels.ts')).inspectKernels(context, flags);
  return (await import('../inspect/file.ts')).inspectFile(context, what, flags);
}
