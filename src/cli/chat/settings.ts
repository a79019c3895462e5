/** What a chat was asked for on the command line. */
import type { OutputFlags, RunFlags } from '../options.ts';
import type { SamplingFlags } from '../sampling-options.ts';
import type { SpeculationFlags } from '../speculation-options.ts';

export interface ChatFlags extends RunFlags, OutputFlags, SamplingFlags, SpeculationFlags {
  system?: string;
  /** Where the conversation goes on from, and is saved to. */
  state?: string;
  prompt?: string;
  /** Turns from standard input although it is no terminal. */
  interactive?: boolean;
  stream?: boolean;
}
