import { CheckpointError } from '../../../src/errors.ts';
import type { Config } from '../config.ts';
import { bert, bertClassifier, distilbert } from './bert.ts';
import { deepseek } from './deepseek.ts';
import { deepseek2, deepseek3 } from './deepseek2.ts';
import { gemma, gemma2, gemma3 } from './gemma.ts';
import { gpt2 } from './gpt2.ts';
import { llama, mixtral } from './llama.ts';
import { openelm } from './openelm.ts';
import { opt, optSmoothQuant } from './opt.ts';
import { phi3 } from './phi3.ts';
import { qwen2, qwen2moe, qwen3, qwen3moe } from './qwen.ts';
import { starcoder2 } from './starcoder2.ts';
import type { Conversion } from './types.ts';

/** Every kind of checkpoint that can be converted. */
export const CONVERSIONS: readonly Conversion[] = [
  llama,
  mixtral,
  qwen2,
  qwen2moe,
  qwen3,
  qwen3moe,
  gemma,
  gemma2,
  gemma3,
  phi3,
  openelm,
  gpt2,
  starcoder2,
  opt,
  optSmoothQuant,
  bert,
  bertClassifier,
  distilbert,
  deepseek,
  deepseek2,
  deepseek3,
];

/** The description for config.json's "architectures". Throws a CheckpointError that lists what there is. */
export function conversionFor(config: Config): Conversion {
  const names = config.find('architectures');
  const wanted: unknown[] = Array.isArray(names) ? names : [];
  const found = CONVERSIONS.find(({ classes }) => classes.some((name) => wanted.includes(name)));
  if (found) return found;
  const known = CONVERSIONS.flatMap(({ classes }) => classes).join(', ');
  throw new CheckpointError(
    `${config.path}: "architectures" is ${JSON.stringify(names ?? null)}, which is not supported; supported are ${known}`,
  );
}

/** Throws CheckpointError for what config.json asks for and GGUF or the engine cannot do: it would be another model. */
export function checkSupported({ activations, check }: Conversion, config: Config): void {
  const name = config.findString(
    ...['hidden_activation', 'hidden_act', 'activation_function', 'activation_fn_name', 'activation'],
  );
  if (name !== undefined && !activations.includes(name)) {
    throw new CheckpointError(
      `${config.path}: the activation "${name}" is not supported for this kind of model, which has ${activations[0]}`,
    );
  }
  check?.(config);
}
