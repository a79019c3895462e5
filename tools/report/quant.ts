/**
 * What a model loses and gains by quantization: every type is made, timed and compared with the original on a text.
 * Measurements run in processes of their own, through the command line: peak memory counts per process, and a
 * measured program is the one that users run.
 */
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AbortedError, NibbleError } from '../../src/errors.ts';
import { closeGguf, openGguf } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { builtModule } from '../../src/platform/node/package-root.ts';
import { cannotRead } from '../../src/platform/node/read-reason.ts';
import type { Imatrix } from '../imatrix/imatrix.ts';
import { planFile, quantizeFile } from '../quantize/quantize.ts';
import { withWorkFolder } from './work-folder.ts';

const run = promisify(execFile);
const MOST_OUTPUT = 2 ** 26;

export interface ReportOptions {
  /** The original: a GGUF file. */
  model: string;
  /** Mixes, such as Q4_K_M. */
  types: readonly string[];
  /** File of text, which the models predict. */
  text: string;
  /** Folder for the quantized files and the original's probabilities; room for the largest of them. */
  folder: string;
  imatrix?: Imatrix;
  /** Also where the original is quantized itself. */
  allowRequantize?: boolean;
  threads?: number;
  /** Tokens per window of text. */
  window?: number;
  /** Only so many windows. */
  windows?: number;
  /** Tokens of prompt and of answer in the measurement of speed, and how often. */
  prompt?: number;
  generate?: number;
  repetitions?: number;
  signal?: AbortSignal;
  onStep?: (line: string) => void;
}

/** One model of the report. */
export interface ReportRow {
  /** The mix; for the original its own types. */
  type: string;
  bytes: number;
  bitsPerWeight: number;
  loadMs: number;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
  /** Bytes of the whole process. */
  peakMemory: number;
  /** Mean over scored tokens, in nats, with its standard error. */
  nll: number;
  nllError: number;
  /** Compared with the original: mean KL divergence, and same likeliest token in percent. */
  kl: number;
  klError: number;
  sameTop: number;
}

export interface Report {
  model: string;
  threads: number;
  cpu: string;
  tokens: number;
  window: number;
  rows: ReportRow[];
}

/** What `nibble perplexity --json` says, as far as it is used. */
interface Perplexity {
  tokens: number;
  nllMean: number;
  nllError: number;
  kl?: { mean: number; error: number; topAgreement: number };
}

/** A row of `nibble bench -o json`. */
interface Bench {
  cpu_info: string;
  model_type: string;
  n_prompt: number;
  n_threads: number;
  avg_ts: number;
  load_ms: number;
  peak_rss: number;
}

const DEFAULTS = { window: 512, prompt: 256, generate: 64, repetitions: 3 };

/**
 * Quantizes to each type in turn and measures; each file is deleted when its row is done.
 *
 * @throws what quantizeFile throws; NibbleError ERR_INPUT for a text that cannot be read, ERR_REPORT when a measurement
 *   fails; AbortedError
 */
export async function quantReport(options: ReportOptions): Promise<Report> {
  const { model, types, text, imatrix, allowRequantize } = options;
  // What cannot work is said now, not when minutes have been spent on what comes before it.
  await readFile(text).catch((error: unknown) => {
    throw cannotRead(text, error);
  });
  for (const type of types) await planFile(model, { type, allowRequantize, imatrix });
  return withWorkFolder(options.folder, (folder) => measureAll(options, folder));
}

async function measureAll(options: ReportOptions, folder: string): Promise<Report> {
  const { model, types, imatrix, allowRequantize, threads, signal, onStep } = options;
  const base = join(folder, 'base.kld');
  const say = (index: number, what: string): void => onStep?.(`[${index + 1}/${types.length + 1}] ${what}`);
  const { weights, oldBytes } = await planFile(model, { type: types[0]!, allowRequantize, imatrix });
  const bits = (bytes: number): number => (bytes * 8) / weights;
  say(0, 'the original');
  const original = await measure(model, { save: base }, options);
  const { speed, quality } = original;
  const rows: ReportRow[] = [
    row(speed.prefill.model_type.split(' ').at(-1)!, await fileBytes(model), bits(oldBytes), original),
  ];
  for (const [i, type] of types.entries()) {
    say(i + 1, type);
    const file = join(folder, `${type}.gguf`);
    const made = await quantizeFile(model, file, { type, imatrix, allowRequantize, threads, signal });
    rows.push(row(type, made.bytes, bits(made.plan.newBytes), await measure(file, { base }, options)));
    await rm(file);
  }
  return {
    model,
    threads: speed.prefill.n_threads,
    cpu: speed.prefill.cpu_info,
    tokens: quality.tokens,
    window: options.window ?? DEFAULTS.window,
    rows,
  };
}

/** Of all its shards, header included. */
async function fileBytes(path: string): Promise<number> {
  const file = await openGguf(path, fileSource);
  await closeGguf(file);
  return file.byteLength;
}

interface Measured {
  speed: { prefill: Bench; decode: Bench };
  quality: Perplexity;
}

function row(type: string, bytes: number, bitsPerWeight: number, { speed, quality }: Measured): ReportRow {
  return {
    type,
    bytes,
    bitsPerWeight,
    loadMs: speed.prefill.load_ms,
    prefillTokensPerSecond: speed.prefill.avg_ts,
    decodeTokensPerSecond: speed.decode.avg_ts,
    peakMemory: Math.max(speed.prefill.peak_rss, speed.decode.peak_rss),
    nll: quality.nllMean,
    nllError: quality.nllError,
    kl: quality.kl?.mean ?? 0,
    klError: quality.kl?.error ?? 0,
    sameTop: quality.kl?.topAgreement ?? 100,
  };
}

/** `save`: writes the probabilities that the others are compared with; `base`: compares. */
async function measure(
  file: string,
  { save, base }: { save?: string; base?: string },
  options: ReportOptions,
): Promise<Measured> {
  const { text, threads, windows, signal } = options;
  const { window, prompt, generate, repetitions } = { ...DEFAULTS, ...defined(options) };
  const common = threads === undefined ? [] : ['--threads', String(threads)];
  const bench = (await nibble(
    [
      'bench',
      '-m',
      file,
      '-p',
      `${prompt}`,
      '-n',
      `${generate}`,
      '-r',
      `${repetitions}`,
      '--json',
      ...common,
    ],
    signal,
  )) as Bench[];
  const score = ['perplexity', '-m', file, '--json', ...common];
  if (base !== undefined) score.push('--kl-base', base);
  else score.push('-f', text, '--ctx-size', `${window}`);
  if (save !== undefined) score.push('--save-kl-base', save);
  if (windows !== undefined) score.push('--chunks', `${windows}`);
  const quality = (await nibble(score, signal)) as Perplexity;
  const prefill = bench.find(({ n_prompt: tokens }) => tokens > 0);
  const decode = bench.find(({ n_prompt: tokens }) => tokens === 0);
  if (!prefill || !decode)
    throw new NibbleError('ERR_REPORT', `${file}: the measurement of speed is not whole`);
  return { speed: { prefill, decode }, quality };
}

/** Options that are there: an undefined one must not hide its default. */
function defined(options: ReportOptions): Partial<typeof DEFAULTS> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** One JSON document of the command line. */
async function nibble(args: string[], signal: AbortSignal | undefined): Promise<unknown> {
  const main = builtModule('src/cli/main');
  try {
    const { stdout } = await run(process.execPath, [fileURLToPath(main), ...args], {
      signal,
      maxBuffer: MOST_OUTPUT,
    });
    return JSON.parse(stdout);
  } catch (error) {
    if (signal?.aborted) throw new AbortedError();
    const { stderr, message } = error as Error & { stderr?: string };
    const why =
      stderr
        ?.trim()
        .split('\n')
        .at(-1)
        ?.replace(/^nibble: /, '') || message;
    throw new NibbleError('ERR_REPORT', `nibble ${args[0]} failed: ${why}`, { cause: error });
  }
}
