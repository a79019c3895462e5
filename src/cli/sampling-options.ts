/** How the next token is chosen, and what ends the answer: options of `generate` and `chat`, settings of the chat's /set. */
import { Option, type Command } from 'commander';
import { SAMPLING_DEFAULTS } from '../engine/sampling/options.ts';
import type { GenerateOptions } from '../engine/types.ts';
import { collect, integer, logitBias, number } from './parse.ts';

type NumberKey =
  | 'temperature'
  | 'topK'
  | 'topP'
  | 'minP'
  | 'typicalP'
  | 'repeatPenalty'
  | 'frequencyPenalty'
  | 'presencePenalty'
  | 'repeatLastN'
  | 'seed'
  | 'maxTokens';

export interface SamplingSetting {
  /** Name of the long option, and in the chat's /set. */
  name: string;
  short?: string;
  key: NumberKey;
  parse: (text: string) => number;
  text: string;
  default?: number;
}

const D = SAMPLING_DEFAULTS;

/** The numbers of sampling: options of `generate` and `chat`, and settings of the chat's /set. */
export const SAMPLING: readonly SamplingSetting[] = [
  {
    name: 'n-predict',
    short: '-n',
    key: 'maxTokens',
    parse: integer(-1, 2 ** 31),
    text: 'most tokens to generate, -1: no limit',
    default: -1,
  },
  {
    name: 'temp',
    key: 'temperature',
    parse: number(0, 1e6),
    text: '0 always takes the likeliest token',
    default: D.temperature,
  },
  { name: 'top-k', key: 'topK', parse: integer(0, 2 ** 31), text: '0 is off', default: D.topK },
  { name: 'top-p', key: 'topP', parse: number(0, 1), text: '1 is off', default: D.topP },
  { name: 'min-p', key: 'minP', parse: number(0, 1), text: '0 is off', default: D.minP },
  { name: 'typical', key: 'typicalP', parse: number(0, 1), text: '1 is off', default: D.typicalP },
  {
    name: 'repeat-penalty',
    key: 'repeatPenalty',
    parse: number(1e-3, 1e6),
    text: '1 is off',
    default: D.repeatPenalty,
  },
  {
    name: 'repeat-last-n',
    key: 'repeatLastN',
    parse: integer(-1, 2 ** 31),
    text: 'tokens that penalties look at, -1: the context',
    default: D.repeatLastN,
  },
  {
    name: 'frequency-penalty',
    key: 'frequencyPenalty',
    parse: number(-1e6, 1e6),
    text: '0 is off',
    default: D.frequencyPenalty,
  },
  {
    name: 'presence-penalty',
    key: 'presencePenalty',
    parse: number(-1e6, 1e6),
    text: '0 is off',
    default: D.presencePenalty,
  },
  {
    name: 'seed',
    short: '-s',
    key: 'seed',
    parse: integer(-1),
    text: 'for repeatable answers, -1: another each time',
    default: -1,
  },
];

export interface SamplingFlags {
  stop?: string[];
  logitBias?: Map<number, number>;
  ignoreEos?: boolean;
  onFull?: 'shift' | 'error';
}

export function addSamplingOptions(command: Command, onFull: 'shift' | 'error'): Command {
  for (const setting of SAMPLING) {
    const flags = `${setting.short ? `${setting.short}, ` : ''}--${setting.name} <n>`;
    const fallback = setting.default === undefined ? '' : `; default: ${setting.default}`;
    command.addOption(new Option(flags, setting.text + fallback).argParser(setting.parse));
  }
  return command
    .addOption(new Option('--stop <text>', 'end before this text; may be repeated').argParser(collect))
    .addOption(
      new Option('--logit-bias <id+bias>', 'such as 2-inf or 310+1.5; may be repeated').argParser(logitBias),
    )
    .addOption(new Option('--ignore-eos', 'go on after the end of the answer'))
    .addOption(
      new Option('--on-full <what>', `when the context is full; default: ${onFull}`).choices([
        'shift',
        'error',
      ]),
    );
}

/** GenerateOptions from the flags that commander made of the options above. */
export function samplingOf(flags: SamplingFlags): GenerateOptions {
  const values = flags as Record<string, unknown>;
  const options: GenerateOptions = {};
  for (const { name, key } of SAMPLING) {
    const value = values[camelCase(name)];
    if (typeof value === 'number') setSampling(options, key, value);
  }
  if (flags.stop) options.stop = flags.stop;
  if (flags.logitBias) options.logitBias = flags.logitBias;
  if (flags.ignoreEos) options.ignoreEos = true;
  return options;
}

/** Sets one number; -1 means "no limit" and "another seed each time", which the engine spells as undefined. */
export function setSampling(options: GenerateOptions, key: NumberKey, value: number): void {
  const unset = value < 0 && (key === 'maxTokens' || key === 'seed');
  options[key] = unset ? undefined : value;
}

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
