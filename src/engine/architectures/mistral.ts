import type { Architecture } from './types.ts';

/** Mistral under a name of its own: most converters, llama.cpp's among them, write its models as "llama". */
export const mistral: Architecture = {
  name: 'mistral',
  models: 'Mistral 7B',
  rope: 'normal',
  activation: 'silu',
};
