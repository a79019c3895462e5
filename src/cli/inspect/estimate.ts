/** What loading a file would take, where the engine can run it. */
import { NibbleError } from '../../errors.ts';
import type { LoadOptions } from '../../engine/types.ts';
import type { GgufFile } from '../../gguf/index.ts';
import { estimateMemory, type MemoryEstimate } from '../../platform/node/load-model.ts';

export interface Estimate {
  bytes?: MemoryEstimate;
  /** Why there is none. */
  reason?: string;
}

export async function estimate(file: GgufFile, options: LoadOptions): Promise<Estimate> {
  if (file.tensors.length === 0) return { reason: 'the file has no weights' };
  try {
    return { bytes: await estimateMemory(file, options) };
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    return { reason: error.message };
  }
}
