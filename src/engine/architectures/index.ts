import { ModelError } from '../../errors.ts';
import { bert } from './bert.ts';
import { deepseek } from './deepseek.ts';
import { deepseek2 } from './deepseek2.ts';
import { gemma } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { gpt2 } from './gpt2.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { openelm } from './openelm.ts';
import { opt } from './opt.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen2moe } from './qwen2moe.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3moe } from './qwen3moe.ts';
import { stablelm } from './stablelm.ts';
import { starcoder2 } from './starcoder2.ts';
import type { Architecture } from './types.ts';

/** Every architecture that the engine runs. */
export const ARCHITECTURES: readonly Architecture[] = [
  llama,
  mistral,
  qwen2,
  qwen2moe,
  qwen3,
  qwen3moe,
  gemma,
  gemma2,
  gemma3,
  phi3,
  openelm,
  deepseek,
  deepseek2,
  stablelm,
  starcoder2,
  gpt2,
  opt,
  bert,
];

/** The description of `general.architecture`; throws a ModelError that lists what there is. */
export function architectureOf(name: string): Architecture {
  const found = ARCHITECTURES.find((architecture) => architecture.name === name);
  if (found) return found;
  const known = ARCHITECTURES.map((architecture) => architecture.name).join(', ');
  throw new ModelError(`architecture "${name}" is not supported; supported are ${known}`, {
    code: 'ERR_UNKNOWN_ARCHITECTURE',
  });
}
