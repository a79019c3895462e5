/** Options of several tokens a step: `generate` and `chat`. */
import { Option, type Command } from 'commander';
import { UsageError } from '../errors.ts';
import { integer } from './parse.ts';

export interface SpeculationFlags {
  lookup?: boolean;
  draft?: string;
  draftMax?: number;
}

export function addSpeculationOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--lookup', 'propose tokens by looking up what followed before; pays where answers copy'),
    )
    .addOption(new Option('--draft <model>', 'a smaller model with the same vocabulary proposes tokens'))
    .addOption(
      new Option('--draft-max <n>', 'proposals per step at most; default: 32').argParser(integer(1, 256)),
    );
}

/** @throws UsageError for a limit of nothing */
export function checkSpeculation({ lookup, draft, draftMax }: SpeculationFlags): void {
  if (draftMax !== undefined && !lookup && draft === undefined) {
    throw new UsageError('--draft-max goes with --lookup or --draft');
  }
}
