/** Sampling options: their defaults, their ranges, and the chain that they make. */
import { UsageError } from '../../errors.ts';
import type { SamplingOptions } from '../types.ts';
import type { ChainStep } from './chain.ts';

/** SamplingOptions and the samplers of llama.cpp's chain that are off by default and rarely asked for. */
export interface SamplerOptions extends SamplingOptions {
  /** Keep logits within so many standard deviations of the largest; <= 0 is off. */
  topNSigma?: number;
  /** Dynamic temperature: temperature -+ this, by entropy; 0 is off. */
  dynamicTemperatureRange?: number;
  dynamicTemperatureExponent?: number;
  /** Truncating samplers leave at least so many candidates. */
  minKeep?: number;
}

export type ResolvedSampling = Required<Omit<SamplerOptions, 'seed'>>;

/** The defaults of llama.cpp's command line. `seed` has none: each sampler draws its own. */
export const SAMPLING_DEFAULTS: Readonly<ResolvedSampling> = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  typicalP: 1,
  repeatPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  repeatLastN: 64,
  logitBias: new Map(),
  topNSigma: -1,
  dynamicTemperatureRange: 0,
  dynamicTemperatureExponent: 1,
  minKeep: 1,
};

interface Range {
  low: number;
  high: number;
  integer?: boolean;
}

const RANGES: Record<Exclude<keyof SamplerOptions, 'logitBias'>, Range> = {
  temperature: { low: -1e6, high: 1e6 },
  topK: { low: -1, high: 2 ** 31, integer: true },
  topP: { low: 0, high: 1 },
  minP: { low: 0, high: 1 },
  typicalP: { low: 0, high: 1 },
  repeatPenalty: { low: 1e-3, high: 1e6 },
  frequencyPenalty: { low: -1e6, high: 1e6 },
  presencePenalty: { low: -1e6, high: 1e6 },
  repeatLastN: { low: -1, high: 2 ** 31, integer: true },
  seed: { low: -1, high: Number.MAX_SAFE_INTEGER, integer: true },
  topNSigma: { low: -1e6, high: 1e6 },
  dynamicTemperatureRange: { low: 0, high: 1e6 },
  dynamicTemperatureExponent: { low: 0, high: 1e6 },
  minKeep: { low: 0, high: 2 ** 31, integer: true },
};

function checkRange(name: string, value: unknown, { low, high, integer }: Range): void {
  const fits =
    typeof value === 'number' && value >= low && value <= high && (!integer || Number.isInteger(value));
  if (fits) return;
  const kind = integer ? 'an integer' : 'a number';
  throw new UsageError(`${name} must be ${kind} from ${low} to ${high}, not ${String(value)}`);
}

function checkBias(bias: unknown, vocabularySize: number): void {
  if (!(bias instanceof Map)) throw new UsageError('logitBias must be a Map from token id to bias');
  for (const [id, value] of bias) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      throw new UsageError(`logitBias: ${String(id)} is not a token id from 0 to ${vocabularySize - 1}`);
    }
    // -Infinity bans a token; +Infinity would make the softmax NaN.
    if (typeof value !== 'number' || !(value === -Infinity || Math.abs(value) <= 1e9)) {
      throw new UsageError(
        `logitBias of token ${id} must be a number up to 1e9 or -Infinity, not ${String(value)}`,
      );
    }
  }
}

/** Fills in the defaults; a UsageError names an option that is out of range. */
export function resolveSampling(options: SamplerOptions, vocabularySize: number): ResolvedSampling {
  for (const [name, range] of Object.entries(RANGES)) {
    const value = options[name as keyof typeof RANGES];
    if (value !== undefined) checkRange(name, value, range);
  }
  if (options.logitBias !== undefined) checkBias(options.logitBias, vocabularySize);
  const given = Object.entries(options).filter(([name, value]) => value !== undefined && name !== 'seed');
  return { ...SAMPLING_DEFAULTS, ...Object.fromEntries(given) };
}

/** The steps that change logits one by one, before anything is dropped. Empty when all are off. */
export function biasSteps(o: ResolvedSampling): ChainStep[] {
  const steps: ChainStep[] = [];
  if (o.logitBias.size > 0) steps.push({ type: 'logit_bias', bias: [...o.logitBias] });
  const penalized = o.repeatPenalty !== 1 || o.frequencyPenalty !== 0 || o.presencePenalty !== 0;
  if (penalized && o.repeatLastN !== 0) {
    steps.push({
      type: 'penalties',
      last_n: o.repeatLastN < 0 ? Infinity : o.repeatLastN,
      repeat: o.repeatPenalty,
      frequency: o.frequencyPenalty,
      presence: o.presencePenalty,
    });
  }
  return steps;
}

/**
 * llama.cpp's default chain: logit bias, penalties, (dry,) top-n-sigma, top-k, typical, top-p, min-p, (xtc,)
 * temperature; dry and xtc are not here. Temperature comes last: truncation sees the model's own distribution.
 */
export function defaultChain(o: ResolvedSampling): ChainStep[] {
  const min_keep = o.minKeep;
  return [
    ...biasSteps(o),
    { type: 'top_n_sigma', n: o.topNSigma },
    { type: 'top_k', k: o.topK },
    { type: 'typical', p: o.typicalP, min_keep },
    { type: 'top_p', p: o.topP, min_keep },
    { type: 'min_p', p: o.minP, min_keep },
    {
      type: 'temperature_ext',
      t: o.temperature,
      delta: o.dynamicTemperatureRange,
      exponent: o.dynamicTemperatureExponent,
    },
  ];
}
