/** Options that many commands share, each defined once; sampling-options.ts and speculation-options.ts have those of generating. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ActivationType, KernelVariant, KvType, LoadOptions } from '../engine/types.ts';
import { FUSIONS, type Fusion } from '../engine/fusion.ts';
import { LAYOUTS } from '../kernels/formats.ts';
import { byteSize, integer } from './parse.ts';

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

export interface OutputFlags {
  json?: boolean;
}

export const THREADS = '-t, --threads';

export function modelOption(): Option {
  return new Option('-m, --model <model>', `${MODEL_TEXT}; default: smollm2-135m`);
}

/** Where the default model will not do. */
export function requiredModelOption(): Option {
  return new Option('-m, --model <model>', MODEL_TEXT).makeOptionMandatory();
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
