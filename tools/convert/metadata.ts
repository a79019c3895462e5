/** The metadata of the file: what the model is called, its sizes, the sampling its makers recommend. */
import { f32, u32, type WritableValue } from '../../src/gguf/writable.ts';
import type { Conversion, Field } from './architectures/types.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Config } from './config.ts';

/** ggml's version of the block formats. */
const QUANTIZATION_VERSION = 2;

export interface MetadataOptions {
  name: string;
  /** general.file_type; undefined for a file without weights, or with types that have no number there. */
  fileType: number | undefined;
  parameters: number;
}

/** Everything but the tokenizer and the chat template. */
export function modelMetadata(
  conversion: Conversion,
  config: Config,
  checkpoint: Checkpoint,
  { name, fileType, parameters }: MetadataOptions,
): Map<string, WritableValue> {
  const metadata = new Map<string, WritableValue>([
    ['general.architecture', conversion.name],
    ['general.type', 'model'],
    ['general.name', name],
  ]);
  if (parameters > 0) metadata.set('general.size_label', sizeLabel(parameters));
  for (const [key, value] of sampling(checkpoint.generation)) metadata.set(key, value);
  const own: Record<string, WritableValue> = {
    ...fields(conversion.fields, config),
    ...conversion.metadata?.(config, checkpoint),
  };
  for (const [key, value] of Object.entries(own)) metadata.set(`${conversion.name}.${key}`, value);
  if (fileType !== undefined) metadata.set('general.file_type', u32(fileType));
  metadata.set('general.quantization_version', u32(QUANTIZATION_VERSION));
  return metadata;
}

function fields(rows: readonly Field[], config: Config): Record<string, WritableValue> {
  const values: Record<string, WritableValue> = {};
  for (const [key, type, ...names] of rows) {
    const optional = key.endsWith('?');
    if (optional && config.find(...names) === undefined) continue;
    const name = key.replace(/\?$/, '');
    if (type === 'bool') values[name] = config.flag(names[0]!);
    else values[name] = type === 'u32' ? u32(config.count(...names)) : f32(config.number(...names));
  }
  return values;
}

/** [key below general.sampling, type, key of generation_config.json] */
const SAMPLING = [
  ['temp', f32, 'temperature'],
  ['top_k', u32, 'top_k'],
  ['top_p', f32, 'top_p'],
  ['min_p', f32, 'min_p'],
  ['penalty_repeat', f32, 'repetition_penalty'],
] as const;

/** Numbers that mean something only where the makers sample. */
function sampling(generation: Config | undefined): [string, WritableValue][] {
  if (generation === undefined || generation.find('do_sample') !== true) return [];
  return SAMPLING.flatMap(([key, type, from]): [string, WritableValue][] => {
    const value = generation.findNumber(from);
    return value === undefined ? [] : [[`general.sampling.${key}`, type(value)]];
  });
}

/** `135M`, `1.1B`: two digits at least, as names of models have it. */
function sizeLabel(parameters: number): string {
  for (const [unit, letter] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
  ] as const) {
    if (parameters >= unit) return `${number(parameters / unit)}${letter}`;
  }
  return `${number(parameters / 1e3)}K`;
}

const number = (value: number): string => (value < 9.95 ? value.toFixed(1) : value.toFixed(0));
