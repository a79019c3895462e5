/** What a chat was asked for on the command line. */
import type { OutputFlags, RunFlags, SamplingFlags, SpeculationFlags } from '../options.ts';

export interface ChatFlags extends RunFlags, OutputFlags, SamplingFlags, SpeculationFlags {
  system?: string;
  prompt?: string;
  /** Turns from standard input although it is no terminal. */
  interactive?: boolean;
  stream?: boolean;
}
