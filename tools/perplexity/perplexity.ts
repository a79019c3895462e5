/** Perplexity over windows, and KL divergence from a base where there is one. */
import { UsageError } from '../../src/errors.ts';
import type { Model } from '../../src/engine/types.ts';
import type { KlReader, KlWriter } from './kl-file.ts';
import { KlStatistics, type KlResult } from './kl-statistics.ts';
import { Mean, scoreRow } from './score.ts';
import type { Window } from './windows.ts';

export interface PerplexityOptions {
  base?: KlReader;
  /** Closed at the end; aborted when there is none. */
  save?: KlWriter;
  signal?: AbortSignal;
  /** After each window: the perplexity so far, and the mean KL divergence where there is a base. */
  onWindow?: (done: number, perplexity: number, klMean: number | undefined) => void;
}

export interface PerplexityResult {
  /** Scored tokens. */
  tokens: number;
  nll: number;
  nllMean: number;
  nllError: number;
  perplexity: number;
  perplexityError: number;
  kl?: KlResult;
  /** Tokens that were run, scored or not. */
  evaluated: number;
  seconds: number;
  tokensPerSecond: number;
}

/** Throws UsageError when there is nothing to score, AbortedError when the signal stops it. */
export async function perplexity(
  model: Model,
  windows: readonly Window[],
  options: PerplexityOptions = {},
): Promise<PerplexityResult> {
  const { save } = options;
  try {
    const result = await score(model, windows, options);
    await save?.close();
    return result;
  } catch (error) {
    await save?.abort();
    throw error;
  }
}

async function score(
  model: Model,
  windows: readonly Window[],
  { base, save, signal, onWindow }: PerplexityOptions,
): Promise<PerplexityResult> {
  const width = model.info.vocabularySize;
  const nll = new Mean();
  const kl = new KlStatistics();
  const baseRow = new Float32Array(base ? width : 0);
  let evaluated = 0;
  const started = performance.now();
  for (const [w, { ids, first }] of windows.entries()) {
    for await (const { start, rows } of model.logitBatches(ids, { signal })) {
      for (let at = 0; at * width < rows.length; at++) {
        const position = start + at;
        if (position < first || position > ids.length - 2) continue;
        const logits = rows.subarray(at * width, (at + 1) * width);
        const target = ids[position + 1]!;
        const score = scoreRow(logits, target);
        nll.add(score.nll);
        await save?.write(logits, score);
        if (!base) continue;
        await base.read(baseRow);
        kl.add(baseRow, logits, score, target);
      }
    }
    evaluated += ids.length;
    onWindow?.(w + 1, Math.exp(nll.mean), base ? kl.meanDivergence : undefined);
  }
  if (nll.count === 0)
    throw new UsageError('the text is too short: two tokens are the least that can be scored');
  const seconds = (performance.now() - started) / 1000;
  const value = Math.exp(nll.mean);
  return {
    tokens: nll.count,
    nll: nll.total,
    nllMean: nll.mean,
    nllError: nll.error,
    perplexity: value,
    perplexityError: value * nll.error,
    ...(base ? { kl: kl.result() } : {}),
    evaluated,
    seconds,
    tokensPerSecond: evaluated / seconds,
  };
}
