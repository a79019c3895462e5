/**
 * What the methods of quantization are worth: a model is quantized by each, calibrated on each of several texts, and
 * compared with the original on others. The first calibration text is used for every type, the others for the first type
 * only: they show how much the choice of the text matters.
 */
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Model } from '../../src/engine/types.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { cannotRead } from '../../src/platform/node/read-reason.ts';
import type { CalibrationOptions } from '../calibration/calibration.ts';
import { KlReader, KlWriter } from '../perplexity/kl-file.ts';
import { perplexity, type PerplexityResult } from '../perplexity/perplexity.ts';
import { cutWindows, type Window } from '../perplexity/windows.ts';
import type { METHOD_NAMES } from '../quantize/methods/index.ts';
import { quantizeFile } from '../quantize/quantize.ts';
import { withWorkFolder } from './work-folder.ts';

type Name = (typeof METHOD_NAMES)[number];

/** Instead of a file: ids drawn from the vocabulary, as text. */
export const RANDOM = 'random';
const RANDOM_SEED = 1;

export interface MethodsReportOptions {
  /** The original: a GGUF file. */
  model: string;
  types: readonly string[];
  methods: readonly Name[];
  /** Files of text to calibrate with, or RANDOM; the first one is used for every type. */
  calibrations: readonly string[];
  /** Files of text that the models predict. */
  texts: readonly string[];
  /** Folder for the quantized files and the original's probabilities. */
  folder: string;
  allowRequantize?: boolean;
  threads?: number;
  /** Tokens per chunk of calibration text, and how many of them. */
  chunkSize?: number;
  chunks?: number;
  /** Tokens per window of the text that is predicted, and how many of them. */
  window?: number;
  windows?: number;
  signal?: AbortSignal;
  onStep?: (line: string) => void;
}

/** On one text. */
export interface MethodScore {
  /** Mean over scored tokens, in nats, with its standard error. */
  nll: number;
  nllError: number;
  /** Mean KL divergence from the original; same likeliest token in percent. */
  kl: number;
  klError: number;
  sameTop: number;
}

export interface MethodRow {
  type: string;
  /** `original` for the first row. */
  method: Name | 'original';
  calibration?: string;
  bitsPerWeight: number;
  seconds: number;
  /** One per text. */
  scores: MethodScore[];
}

export interface MethodsReport {
  model: string;
  texts: { name: string; tokens: number }[];
  window: number;
  calibrationTokens: number;
  rows: MethodRow[];
}

interface Text {
  name: string;
  windows: Window[];
  /** File of the original's log probabilities. */
  base: string;
}

const DEFAULT_WINDOW = 256;
const DEFAULT_CHUNK = 512;
const DEFAULT_CHUNKS = 4;

/**
 * @throws NibbleError ERR_INPUT for a text that cannot be read or is too short; what quantizeFile throws; AbortedError
 */
export function methodsReport(options: MethodsReportOptions): Promise<MethodsReport> {
  return withWorkFolder(options.folder, (work) => study(options, work));
}

async function study(options: MethodsReportOptions, work: string): Promise<MethodsReport> {
  const { model, texts: paths, threads, signal, onStep } = options;
  const { chunkSize = DEFAULT_CHUNK, chunks = DEFAULT_CHUNKS } = options;
  const jobs = jobsOf(options);
  const say = (i: number, what: string): void => onStep?.(`[${i + 1}/${jobs.length + 1}] ${what}`);
  say(0, 'the original');
  const contents = await Promise.all(options.calibrations.map(calibrationText));
  const original = await withModel(model, options, async (opened) => {
    const texts = await Promise.all(
      paths.map((path, i) => textOf(opened, path, join(work, `${i}.kld`), options)),
    );
    const random = randomText(opened, chunkSize * chunks * 2);
    return { texts, random, row: await score(opened, texts, 'write', signal) };
  });
  const rows: MethodRow[] = [];
  for (const [i, { type, method, calibration }] of jobs.entries()) {
    const file = join(work, 'made.gguf');
    const name = calibration === undefined ? undefined : options.calibrations[calibration]!;
    say(i + 1, [type, method, name].join(' '));
    const text = calibration === undefined ? undefined : (contents[calibration] ?? original.random);
    const settings: CalibrationOptions | undefined = text && { text, name: name!, chunkSize, chunks };
    const { plan, milliseconds } = await quantizeFile(model, file, {
      type,
      allowRequantize: options.allowRequantize,
      method: method === 'rtn' ? undefined : { name: method, calibration: settings! },
      threads,
      signal,
    });
    if (rows.length === 0) {
      const bits = (plan.oldBytes * 8) / plan.weights;
      rows.push({ type: '', method: 'original', bitsPerWeight: bits, seconds: 0, scores: original.row });
    }
    const scores = await withModel(file, options, (made) => score(made, original.texts, 'read', signal));
    const bitsPerWeight = (plan.newBytes * 8) / plan.weights;
    const row = { type, method, calibration: name, bitsPerWeight, seconds: milliseconds / 1000, scores };
    rows.push(row);
    onStep?.(scores.map(({ nll, kl }) => `NLL ${nll.toFixed(4)}, KL divergence ${kl.toFixed(4)}`).join('; '));
    await rm(file);
  }
  return {
    model,
    texts: original.texts.map(({ name, windows }) => ({ name, tokens: scoredTokens(windows) })),
    window: options.window ?? DEFAULT_WINDOW,
    calibrationTokens: chunkSize * chunks,
    rows,
  };
}

interface Job {
  type: string;
  method: Name;
  /** Index of the text. */
  calibration?: number;
}

function jobsOf({ types, methods, calibrations }: MethodsReportOptions): Job[] {
  const calibrated = methods.filter((method) => method !== 'rtn');
  const plain = methods.includes('rtn');
  const first = types.flatMap((type): Job[] => [
    ...(plain ? [{ type, method: 'rtn' as const }] : []),
    ...calibrated.map((method) => ({ type, method, calibration: 0 })),
  ]);
  const others = calibrations
    .slice(1)
    .flatMap((_, i) => calibrated.map((method) => ({ type: types[0]!, method, calibration: i + 1 })));
  return [...first, ...others];
}

async function calibrationText(path: string): Promise<Uint8Array | undefined> {
  return path === RANDOM ? undefined : readText(path);
}

async function readText(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
}

async function withModel<T>(
  path: string,
  { threads, signal, window = DEFAULT_WINDOW }: MethodsReportOptions,
  use: (model: Model) => Promise<T>,
): Promise<T> {
  const model = await loadModelFile(path, { threads, signal, contextSize: window });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

async function textOf(
  { tokenizer }: Model,
  path: string,
  base: string,
  { window = DEFAULT_WINDOW, windows: most }: MethodsReportOptions,
): Promise<Text> {
  const ids = tokenizer.encode(await readText(path));
  const size = Math.min(window, ids.length);
  const bos = tokenizer.addBos ? tokenizer.bos : undefined;
  const windows = cutWindows(ids, size, bos).slice(0, most);
  return { name: basename(path), base, windows: windows.map(({ ids }) => ({ ids, first: size >> 1 })) };
}

/** Tokens drawn evenly from the vocabulary, as text: more of them than asked for, since text is tokenized anew. */
function randomText({ tokenizer, info }: Model, count: number): Uint8Array {
  let state = RANDOM_SEED;
  const ids = Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * info.vocabularySize);
  });
  return new TextEncoder().encode(tokenizer.decode(ids));
}

const scoredTokens = (windows: readonly Window[]): number =>
  windows.reduce((sum, { ids, first }) => sum + ids.length - 1 - first, 0);

async function score(
  model: Model,
  texts: readonly Text[],
  base: 'write' | 'read',
  signal: AbortSignal | undefined,
): Promise<MethodScore[]> {
  const scores: MethodScore[] = [];
  for (const text of texts) {
    if (base === 'read') {
      const reader = await KlReader.open(text.base);
      const result = await perplexity(model, text.windows, { base: reader, signal }).finally(() =>
        reader.close(),
      );
      scores.push(scoreOf(result));
      continue;
    }
    const tokens = Int32Array.from(text.windows.flatMap(({ ids }) => ids));
    const window = text.windows[0]!.ids.length;
    const save = await KlWriter.create(text.base, { window, vocabulary: model.info.vocabularySize, tokens });
    scores.push(scoreOf(await perplexity(model, text.windows, { save, signal })));
  }
  return scores;
}

function scoreOf({ nllMean, nllError, kl }: PerplexityResult): MethodScore {
  return {
    nll: nllMean,
    nllError,
    kl: kl?.mean ?? 0,
    klError: kl?.error ?? 0,
    sameTop: kl?.topAgreement ?? 100,
  };
}
