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

/**
 * Base, width and scaling for `rotary` values of a head. Throws CheckpointError for a scaling that is not known.
 *
 * @param magnitude what readers multiply cos and sin with when it is YaRN, by its factor
 */
export function ropeMetadata(config: Config, rotary: number, magnitude = usualMagnitude): Values {
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
      return { ...values, ...yarn(config, scaling!, magnitude) };
    default:
      throw new CheckpointError(
        `${config.path}: rope scaling "${type}" is not supported; supported are linear, yarn, llama3, longrope`,
      );
  }
}

/** `usual`: what readers multiply cos and sin with of themselves. */
function yarn(config: Config, scaling: Config, usual: (factor: number) => number): Values {
  const context = config.findCount('max_position_embeddings');
  const original =
    scaling.findCount('original_max_position_embeddings') ?? config.count('max_position_embeddings');
  const factor = scaling.findNumber('factor') ?? (context ?? original) / original;
  const values: Values = {
    'rope.scaling.type': 'yarn',
    'rope.scaling.factor': f32(factor),
    'rope.scaling.original_context_length': u32(original),
  };
  const magnitude = yarnMagnitude(scaling, factor) / usual(factor);
  if (Math.abs(magnitude - 1) > 1e-6) values['rope.scaling.attn_factor'] = f32(magnitude);
  const optional = {
    'rope.scaling.yarn_beta_fast': scaling.findNumber('beta_fast'),
    'rope.scaling.yarn_beta_slow': scaling.findNumber('beta_slow'),
  };
  for (const [key, value] of Object.entries(optional)) if (value !== undefined) values[key] = f32(value);
  return values;
}

/** YaRN's factor on cos and sin where neither file nor model says another. */
const usualMagnitude = (factor: number, mscale = 1): number =>
  factor <= 1 ? 1 : 1 + 0.1 * mscale * Math.log(factor);

/** What transformers multiplies cos and sin with. */
function yarnMagnitude(scaling: Config, factor: number): number {
  const given = scaling.findNumber('attention_factor');
  if (given !== undefined) return given;
  const [over, under] = [scaling.findNumber('mscale'), scaling.findNumber('mscale_all_dim')];
  return over && under
    ? usualMagnitude(factor, over) / usualMagnitude(factor, under)
    : usualMagnitude(factor);
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
