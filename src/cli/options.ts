/** Options that several commands share: each is defined here, once. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ActivationType, GenerateOptions, KernelVariant, KvType, LoadOptions } from '../engine/types.ts';
import { FUSIONS, type Fusion } from '../engine/fusion.ts';
import { LAYOUTS } from '../kernels/formats.ts';
import { SAMPLING_DEFAULTS } from '../engine/sampling/options.ts';
import { UsageError } from '../errors.ts';
import { byteSize, collect, integer, logitBias, number } from './parse.ts';

export const MODEL_TEXT = 'a path, a name from `nibble list`, a URL or hf:owner/repo[:QUANT|/FILE]';

/** Which model, and where it may come from. */
export interface SourceFlags {
  model?: string;
  format?: string;
  offline?: boolean;
}

/** How it is loaded and run. */
export interface RunFlags extends SourceFlags {
  threads?: number;
  ctxSize?: number;
  batchSize?: number;
  kvType?: KvType;
  activations?: ActivationType;
  variant?: KernelVariant;
  kernel?: string;
  layout?: string;
  segmentLimit?: number;
  fallback?: boolean;
  profile?: boolean;
  fuse?: false | Fusion[];
}

/** Several tokens a step. */
export interface SpeculationFlags {
  lookup?: boolean;
  draft?: string;
  draftMax?: number;
}

export interface OutputFlags {
  json?: boolean;
}

export const THREADS = '-t, --threads';

export function modelOption(): Option {
  return new Option('-m, --model <model>', `${MODEL_TEXT}; default: smollm2-135m`);
}

export function formatOption(): Option {
  return new Option('--format <format>', 'INT4 (the best 4-bit file), INT8 or a quantization such as Q4_K_M');
}

/** MODEL and FORMAT as arguments; `nibble chat INT8` is the default model in 8 bits. */
export function modelArguments(
  model: string | undefined,
  format: string | undefined,
): { model?: string; format?: string } {
  return format === undefined && model !== undefined && /^INT[48]$/i.test(model)
    ? { format: model }
    : { model, format };
}

/** For commands that write models. */
export function dryRunOption(): Option {
  return new Option('--dry-run', 'write nothing: show the tensors and the size of the result');
}

export function splitOption(): Option {
  return new Option('--split-max-size <bytes>', 'write shards of at most this size, such as 2G').argParser(
    byteSize,
  );
}

/** For commands that run a calibration text. */
export function chunksOption(): Option {
  return new Option('--chunks <n>', 'only so many chunks of the calibration text').argParser(integer(1));
}

export function chunkSizeOption(): Option {
  return new Option('-c, --ctx-size <n>', 'tokens per chunk; default: 512').argParser(integer(2, 2 ** 20));
}

export function offlineOption(): Option {
  return new Option('--offline', 'use no network');
}

export function verboseOption(): Option {
  return new Option('--verbose', 'say more on standard error; errors with their stack');
}

export function jsonOption(): Option {
  return new Option('--json', 'one JSON document on standard output and nothing else');
}

function ctxSizeOption(text = 'positions in the context; default: as trained, at most 4096'): Option {
  return new Option('-c, --ctx-size <n>', text).argParser(integer(1, 2 ** 24));
}

export function threadsOption(): Option {
  return new Option(
    `${THREADS} <n>`,
    'worker threads; default: physical cores, within the quota of a container',
  ).argParser(integer(1, 256));
}

/** Options of every command that reads a vocabulary or a model. */
export function addSourceOptions(command: Command): Command {
  return command.addOption(formatOption()).addOption(offlineOption()).addOption(verboseOption());
}

/** @param before `false` after --no-fuse, which is the same option to commander */
function fusionList(text: string, before: false | Fusion[] | undefined): Fusion[] {
  if (before === false) throw new InvalidArgumentError('It contradicts --no-fuse.');
  const names = Object.keys(FUSIONS);
  return text.split(',').map((name) => {
    if (!names.includes(name)) throw new InvalidArgumentError(`It takes a list of ${names.join(', ')}.`);
    return name as Fusion;
  });
}

/** --no-fuse after --fuse LIST: a contradiction, which commander would settle in silence. Before the option is added. */
function refuseBothFusions(command: Command): void {
  command.on('option:no-fuse', () => {
    if (Array.isArray(command.getOptionValue('fuse'))) {
      command.error("error: option '--no-fuse' contradicts option '--fuse <list>'");
    }
  });
}

interface RunOptionWords {
  /** `bench` has lists of its own in the place of --threads and of -b. */
  lists?: boolean;
  /** What --ctx-size is, where it is not the model's context. */
  ctxSize?: string;
}

/** Options of every command that runs a model. */
export function addRunOptions(command: Command, { lists = false, ctxSize }: RunOptionWords = {}): Command {
  if (!lists) command.addOption(threadsOption());
  refuseBothFusions(command);
  command
    .addOption(ctxSizeOption(ctxSize))
    .addOption(
      new Option(
        `${lists ? '' : '-b, '}--batch-size <n>`,
        'tokens per batch of the prompt; default: 512',
      ).argParser(integer(1, 2 ** 16)),
    )
    .addOption(
      new Option('--kv-type <type>', 'numbers in the KV cache; default: f16, f32 of encoders').choices([
        'f16',
        'f32',
        'q8_0',
      ]),
    )
    .addOption(
      new Option('--activations <type>', 'f32 is slow and exact, for checks; default: int8').choices([
        'int8',
        'f32',
      ]),
    )
    .addOption(
      new Option('--variant <variant>', 'pin the kernels instead of racing them').choices([
        'simd',
        'dot2',
        'dot4',
      ]),
    )
    .addOption(
      new Option(
        '--kernel <kernel>',
        'a kernel of the course for the 4-bit linear layers: lab:STAGE, solution:STAGE',
      ),
    )
    .addOption(
      new Option(
        '--layout <layout>',
        'run-time layout of the weights, where their type has it; default: the first of `nibble inspect kernels`',
      ).choices(LAYOUTS),
    )
    .addOption(
      new Option('--segment-limit <bytes>', 'weights per WebAssembly memory, such as 512M').argParser(
        byteSize,
      ),
    )
    .addOption(
      new Option(
        '--fallback',
        'on too little memory try a smaller context, a q8_0 cache, a smaller quantization',
      ),
    )
    .addOption(
      new Option('--fuse <list>', `fuse these operations only: ${Object.keys(FUSIONS).join(',')}`).argParser(
        fusionList,
      ),
    )
    .addOption(new Option('--no-fuse', 'each operation on its own: slower, to see what fusion is worth'))
    .addOption(new Option('--profile', 'print times per operation to standard error at the end'));
  return addSourceOptions(command);
}

/** The engine's options from the flags. */
export function loadOptionsOf(flags: RunFlags): LoadOptions {
  return {
    threads: flags.threads,
    contextSize: flags.ctxSize,
    batchSize: flags.batchSize,
    kvType: flags.kvType,
    activations: flags.activations,
    variant: flags.variant,
    layout: flags.layout,
    segmentLimit: flags.segmentLimit,
    fallback: flags.fallback,
    fuse: flags.fuse,
    profile: flags.profile,
  };
}

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

export function addSpeculationOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--lookup', 'propose tokens by looking up what followed before; pays where answers copy'),
    )
    .addOption(new Option('--draft <model>', 'a smaller model with the same vocabulary proposes tokens'))
    .addOption(
      new Option('--draft-max <n>', 'proposals per step at most; default: 32').argParser(integer(1, 256)),
    );
}

/** @throws UsageError for a limit of nothing */
export function checkSpeculation({ lookup, draft, draftMax }: SpeculationFlags): void {
  if (draftMax !== undefined && !lookup && draft === undefined) {
    throw new UsageError('--draft-max goes with --lookup or --draft');
  }
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
