/**
 * Rotary positions from config.json to metadata, in both spellings: `rope_theta` and `rope_scaling` (transformers 4)
 * or `rope_parameters` (transformers 5).
 */
import { CheckpointError } from '../../src/errors.ts';
import { f32, u32, type WritableValue } from '../../src/gguf/writable.ts';
import type { MadeTensor } from './architectures/types.ts';
import type { Config } from './config.ts';

type Values = Record<string, WritableValue>;

/** Where the scaling's numbers are, whatever it is called; of layers of two kinds, that of full attention. */
export function ropeConfig(config: Config): Config | undefined {
  const all = config.findConfig('rope_parameters', 'rope_scaling');
  return all?.findConfig('full_attention') ?? all;
}

function ropeTheta(config: Config): number | undefined {
  return (
    ropeConfig(config)?.findNumber('rope_theta') ?? config.findNumber('rope_theta', 'rope_freq_constant')
  );
}

/** `linear`, `yarn`, `llama3`, `longrope`; undefined: none. */
function scalingType(config: Config): string | undefined {
  const type = ropeConfig(config)?.findString('rope_type', 'type')?.toLowerCase();
  return type === 'default' ? undefined : type === 'su' ? 'longrope' : type;
}

/** Base, width and scaling for `rotary` values of a head. Throws CheckpointError for a scaling that is not known. */
export function ropeMetadata(config: Config, rotary: number): Values {
  const scaling = ropeConfig(config);
  const theta = ropeTheta(config);
  const values: Values = { 'rope.dimension_count': u32(rotary) };
  if (theta !== undefined) values['rope.freq_base'] = f32(theta);
  const type = scalingType(config);
  switch (type) {
    case undefined:
      return values;
    // These two are tensors: factors per pair.
    case 'llama3':
    case 'longrope':
      return values;
    case 'linear':
      return { ...values, 'rope.scaling.type': type, 'rope.scaling.factor': f32(scaling!.number('factor')) };
    case 'yarn':
      return { ...values, ...yarn(scaling!) };
    default:
      throw new CheckpointError(
        `${config.path}: rope scaling "${type}" is not supported; supported are linear, yarn, llama3, longrope`,
      );
  }
}

function yarn(scaling: Config): Values {
  const values: Values = {
    'rope.scaling.type': 'yarn',
    'rope.scaling.factor': f32(scaling.number('factor')),
    'rope.scaling.original_context_length': u32(scaling.count('original_max_position_embeddings')),
  };
  const optional = {
    'rope.scaling.yarn_ext_factor': scaling.findNumber('extrapolation_factor'),
    'rope.scaling.yarn_attn_factor': scaling.findNumber('attention_factor', 'attn_factor'),
    'rope.scaling.yarn_beta_fast': scaling.findNumber('beta_fast'),
    'rope.scaling.yarn_beta_slow': scaling.findNumber('beta_slow'),
  };
  for (const [key, value] of Object.entries(optional)) if (value !== undefined) values[key] = f32(value);
  return values;
}

/**
 * Llama 3.1's scaling as a divisor for each pair's frequency: pairs with short waves stay, those with waves longer
 * than the original context slow down by the factor, and between the two it is interpolated.
 */
export function llama3Factors(config: Config, rotary: number): MadeTensor[] {
  const scaling = ropeConfig(config);
  if (scaling === undefined || scalingType(config) !== 'llama3') return [];
  const factor = scaling.number('factor');
  const low = scaling.findNumber('low_freq_factor') ?? 1;
  const high = scaling.findNumber('high_freq_factor') ?? 4;
  const original = scaling.findNumber('original_max_position_embeddings') ?? 8192;
  if (low === high)
    throw new CheckpointError(`${scaling.path}: low_freq_factor and high_freq_factor are equal`);
  const theta = ropeTheta(config) ?? 10000;
  const values = Float32Array.from({ length: rotary / 2 }, (_, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / rotary);
    if (wave < original / high) return 1;
    if (wave > original / low) return factor;
    const smooth = (original / wave - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
  return [{ name: 'rope_freqs.weight', values }];
}

/** LongRoPE (arXiv:2402.13753): one list of divisors within the original context, one beyond it. */
export function longRopeFactors(config: Config, rotary: number): MadeTensor[] {
  const scaling = ropeConfig(config);
  if (scaling === undefined || scalingType(config) !== 'longrope') return [];
  return ['long', 'short'].map((length) => ({
    name: `rope_factors_${length}.weight`,
    values: Float32Array.from(scaling.numbers(rotary / 2, `${length}_factor`)),
  }));
}

/** What LongRoPE multiplies cos and sin with, from how much longer the context has become. */
export function longRopeMetadata(config: Config): Values {
  if (scalingType(config) !== 'longrope') return {};
  const scaling = ropeConfig(config)!;
  const context = config.count('max_position_embeddings');
  const original =
    scaling.findCount('original_max_position_embeddings') ?? config.count('original_max_position_embeddings');
  const growth = context / original;
  const magnitude =
    scaling.findNumber('attention_factor') ??
    (growth <= 1 ? 1 : Math.sqrt(1 + Math.log(growth) / Math.log(original)));
  return {
    'rope.scaling.original_context_length': u32(original),
    'rope.scaling.attn_factor': f32(magnitude),
  };
}
