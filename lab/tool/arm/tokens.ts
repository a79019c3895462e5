/** Instructions of a whole model per token, with a kernel in its 4-bit layers. */
import { fileURLToPath } from 'node:url';
import { countNode } from '../../../tools/arm/count.ts';
import type { LinearKernel } from '../../../src/engine/linear.ts';
import { compiled } from '../paths.ts';
import type { Subject } from './call.ts';
import { ARM_NODE, type Core } from './cores.ts';
import type { ArmTokenRow } from './results.ts';

/** What the emulated program is given. */
export interface TokenRequest {
  /** The model's file. */
  path: string;
  promptTokens: number;
  warmUpTokens: number;
  countedTokens: number;
  /** Undefined: the engine's own kernels. */
  kernel?: Omit<LinearKernel, 'module'> & { wasm: string };
}

const COMMON = { promptTokens: 32, warmUpTokens: 4, countedTokens: 12 };

/** `subject` undefined: with the engine's own kernels. */
export async function countTokens(
  subject: Subject | undefined,
  core: Core,
  model: { path: string; name: string },
): Promise<ArmTokenRow> {
  const request: TokenRequest = { path: model.path, ...COMMON };
  const name = subject ? `${subject.source}:${subject.stage.id}` : 'nibble';
  if (subject) {
    const { layout, workers } = subject.stage;
    if (layout === 'int8') throw new RangeError(`${name}: no model runs with kernels of 8-bit weights`);
    request.kernel = { name, layout, workers, wasm: subject.wasm };
  }
  const counts = await countNode(core.cpu, fileURLToPath(compiled('arm/guest-tokens')), {
    nodeMajor: ARM_NODE,
    args: [JSON.stringify(request)],
    env: { NIBBLE_VARIANT: core.variant },
  });
  const millions = (tag: string, tokens: number) => (counts.get(tag)?.['total'] ?? NaN) / tokens / 1e6;
  return {
    stage: name,
    cpu: core.cpu,
    machine: core.machine,
    model: model.name,
    prefill: millions('prefill', COMMON.promptTokens),
    decode: millions('decode', COMMON.countedTokens),
  };
}
