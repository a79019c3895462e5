// @ts-check
/** What a decoded token takes: all of it, the part in JavaScript, and the part in the sampler. */

import { performance } from 'node:perf_hooks';

/** @typedef {import('../../src/engine/types.ts').Model} Model */

/** As a chat samples: every step of the chain has something to do. */
const SAMPLING = { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, repeatPenalty: 1.1, seed: 1 };
const PROMPT = [1, 300, 301, 302];
/** Sets of logits that are drawn from in turn: together more than a core's caches hold. */
const COPIES = 32;

/** Milliseconds for a decoded token, without the first. @param {Model} model @param {number} tokens */
export async function stepMs(model, tokens) {
  return (await jsPerToken(model, tokens)).stepMs;
}

/**
 * Milliseconds for a decoded token, and those of them in which this thread was at work: it samples, decodes text and
 * starts the next step, while all computing is done by workers.
 *
 * @param {Model} model @param {number} tokens
 */
export async function jsPerToken(model, tokens) {
  const { eventLoopUtilization } = performance;
  let start = 0;
  let count = 0;
  let begun = eventLoopUtilization();
  const options = { ...SAMPLING, maxTokens: tokens + 1, ignoreEos: true };
  // Between the tokens nothing is measured: that would be work of this thread, too.
  for await (const part of model.generate(PROMPT, options)) {
    if (start > 0) count += part.ids.length;
    else if (part.ids.length > 0) {
      start = performance.now();
      begun = eventLoopUtilization();
    }
  }
  const last = performance.now();
  const used = eventLoopUtilization(begun);
  if (count === 0) throw new Error('nothing was decoded');
  return { stepMs: (last - start) / count, jsMs: used.active / count };
}

/**
 * Milliseconds for a draw from so many logits, after a history of 64 tokens: the median.
 *
 * @param {typeof import('../../src/engine/sampler.ts').createSampler} createSampler
 * @param {typeof import('../../src/engine/sampling/peaks.ts').peaksOf} peaksOf
 * @param {number} vocabulary
 */
export function samplingMs(createSampler, peaksOf, vocabulary) {
  const sampler = createSampler(SAMPLING, vocabulary);
  const logits = Float32Array.from(
    { length: vocabulary },
    (_, i) => 4 * Math.sin(i * 12.9898) + Math.cos(i * 78.233),
  );
  // Workers have just written a token's logits: no cache of this core holds them.
  const peaks = peaksOf(logits);
  const copies = Array.from({ length: COPIES }, () => ({ values: logits.slice(), peaks: peaks.slice() }));
  const history = Array.from({ length: 64 }, (_, i) => (i * 997) % vocabulary);
  const times = Array.from({ length: 300 }, (_, i) => {
    const fresh = copies[i % COPIES] ?? { values: logits, peaks };
    const before = performance.now();
    sampler.sample(fresh, history);
    return performance.now() - before;
  });
  return times.slice(100).sort((a, b) => a - b)[100] ?? NaN;
}
