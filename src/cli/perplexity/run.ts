/** Perplexity over windows, and KL divergence from a base where there is one. */
import { UsageError } from '../../errors.ts';
import type { Model } from '../../engine/types.ts';
import { percentile } from '../stats.ts';
import { divergence, type KlReader, type KlWriter } from './kl-file.ts';
import { Mean, scoreRow } from './score.ts';
import type { Window } from './windows.ts';

export interface PerplexityOptions {
  base?: KlReader;
  save?: KlWriter;
  signal: AbortSignal;
  /** After each window. */
  onWindow: (done: number, soFar: PerplexityResult) => void;
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
}

export interface KlResult {
  mean: number;
  error: number;
  median: number;
  p99: number;
  max: number;
  /** Share of positions at which both models hold the same token for the likeliest, in percent. */
  topAgreement: number;
  topAgreementError: number;
  basePerplexity: number;
}

/** Throws UsageError when there is nothing to score, AbortedError when the user stops it. */
export async function perplexity(
  model: Model,
  windows: readonly Window[],
  { base, save, signal, onWindow }: PerplexityOptions,
): Promise<PerplexityResult> {
  const width = model.info.vocabularySize;
  const nll = new Mean();
  const baseNll = new Mean();
  const agreement = new Mean();
  const divergences: number[] = [];
  const baseRow = new Float32Array(width);
  const result = (): PerplexityResult => ({
    ...perplexityOf(nll),
    ...(base ? { kl: klOf(divergences, agreement, baseNll) } : {}),
  });

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
        const { kl, agrees } = divergence(baseRow, logits, score);
        divergences.push(kl);
        agreement.add(agrees ? 1 : 0);
        baseNll.add(-baseRow[target]!);
      }
    }
    onWindow(w + 1, result());
  }
  if (nll.count === 0)
    throw new UsageError('the text is too short: two tokens are the least that can be scored');
  return result();
}

function perplexityOf(nll: Mean): PerplexityResult {
  const value = Math.exp(nll.mean);
  return {
    tokens: nll.count,
    nll: nll.total,
    nllMean: nll.mean,
    nllError: nll.error,
    perplexity: value,
    perplexityError: value * nll.error,
  };
}

function klOf(divergences: readonly number[], agreement: Mean, baseNll: Mean): KlResult {
  const kl = new Mean();
  divergences.forEach((value) => kl.add(value));
  return {
    mean: kl.mean,
    error: kl.error,
    median: percentile(divergences, 0.5) ?? NaN,
    p99: percentile(divergences, 0.99) ?? NaN,
    max: percentile(divergences, 1) ?? NaN,
    topAgreement: 100 * agreement.mean,
    topAgreementError: 100 * agreement.error,
    basePerplexity: Math.exp(baseNll.mean),
  };
}
