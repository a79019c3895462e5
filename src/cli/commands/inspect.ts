import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { inspectCpu } from '../inspect/cpu.ts';
import { inspectFile } from '../inspect/file.ts';
import { inspectKernels } from '../inspect/kernels.ts';
import type { InspectFlags } from '../inspect/flags.ts';
import { addRunOptions, jsonOption } from '../options.ts';

export function addInspect(program: Command, context: CliContext): void {
  addRunOptions(program.command('inspect'))
    .description('what is in a GGUF file and what it needs; the CPU; the kernels')
    .argument('<what>', 'a GGUF file or a model on this disk, `cpu`, or `kernels`')
    .option('--no-tensors', 'leave the list of tensors out')
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  nibble inspect model.gguf\n  nibble inspect cpu --json')
    .action((what: string, flags: InspectFlags) => {
      if (what === 'cpu') return inspectCpu(context, flags);
      if (what === 'kernels') return inspectKernels(context, flags);
      return inspectFile(context, what, flags);
    });
}
