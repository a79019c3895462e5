import type { OutputFlags, RunFlags } from '../options.ts';

export interface InspectFlags extends RunFlags, OutputFlags {
  tensors: boolean;
}
